//! Rows of the connections and their intervals, out of what `diagnose` says of them.

use tcpprobe::diagnose::{Cause, Diagnosis, End, Summary};
use tcpprobe::event::owner::UNKNOWN_UID;

use crate::Error;
use crate::rows::{Cell, Rows};
use crate::tables::{Times, connection};

fn words(bytes: &[u8]) -> Cell<'_> {
    if bytes.is_empty() { Cell::Null } else { Cell::Text(String::from_utf8_lossy(bytes)) }
}

/// Adds the row of a connection. Its numbers are those of `summary` and `diagnose`.
pub fn push(rows: &mut Rows, times: &Times, found: &Diagnosis) -> Result<(), Error> {
    let mut sums = Summary::default();
    sums.add(found);
    let Diagnosis { connection: of, causes, told, .. } = found;
    let (headline, share) = sums.headline();
    let owner = told.owner.as_deref();
    let text = |of: fn(&tcpprobe::event::Owner) -> &[u8]| owner.map_or(Cell::Null, |owner| words(of(owner)));
    let quantiles = |of: &tcpprobe::diagnose::Histogram| {
        [of.min(), of.quantile(0.5), of.quantile(0.95)].map(|value| Cell::maybe(value.map(i64::from)))
    };
    let mut cells = vec![
        Cell::Int(connection(of.id)?.into()),
        Cell::Int(of.family.into()),
        Cell::text(of.local.ip().to_string()),
        Cell::Int(of.local.port().into()),
        Cell::text(of.peer.ip().to_string()),
        Cell::Int(of.peer.port().into()),
        Cell::id(of.cookie),
        Cell::id(of.skaddr),
        Cell::maybe(times.wall(found.from())),
        Cell::maybe(times.wall(found.to())),
        Cell::int(found.from()),
        Cell::int(found.to()),
        Cell::int(found.duration()),
        Cell::int(found.events),
        Cell::int(sums.bytes_acked),
        Cell::int(sums.bytes_received),
        Cell::Double(sums.rate()),
        Cell::int(sums.segments),
        Cell::int(sums.retransmissions),
    ];
    cells.extend(Cause::ALL.map(|cause| Cell::int(causes.of(cause))));
    cells.extend([Cell::int(causes.spurious), Cell::int(causes.not_sent), Cell::int(causes.again)]);
    cells.push(Cell::Double(sums.loss()));
    cells.extend(quantiles(&sums.rtts));
    cells.extend(quantiles(&sums.cwnds));
    cells.extend([
        if found.facts.mss == 0 { Cell::Null } else { Cell::Int(found.facts.mss.into()) },
        Cell::text(headline.name()),
        Cell::Double(share),
        Cell::int(found.lost),
        found.end.map_or(Cell::Null, |end| Cell::text(if end == End::Sender { "sender" } else { "receiver" })),
        told.congestion_control.as_deref().map_or(Cell::Null, Cell::text),
        Cell::maybe(owner.map(|owner| owner.pid)),
        Cell::maybe(owner.map(|owner| owner.uid).filter(|uid| *uid != UNKNOWN_UID)),
        text(|owner| &owner.comm),
        text(|owner| &owner.exe),
        text(|owner| &owner.unit),
        text(|owner| &owner.container),
        text(|owner| &owner.pod),
    ]);
    rows.push(cells);
    Ok(())
}

/// Adds the rows of its intervals.
pub fn push_intervals(rows: &mut Rows, times: &Times, found: &Diagnosis) -> Result<(), Error> {
    let conn = connection(found.connection.id)?;
    for interval in &found.intervals {
        rows.push([
            Cell::Int(conn.into()),
            Cell::maybe(times.wall(interval.from)),
            Cell::maybe(times.wall(interval.to)),
            Cell::int(interval.from),
            Cell::int(interval.to),
            Cell::int(interval.to - interval.from),
            Cell::text(interval.limit.name()),
            Cell::Bool(interval.is_exact),
        ]);
    }
    Ok(())
}
