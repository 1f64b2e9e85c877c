//! What the footer of a file says: of what recording it is, and what is missing from it.

use tcpprobe::file::Totals;
use tcpprobe::source::{About, Losses};

/// The version of the tables: changes where a column goes, or means something else.
pub const SCHEMA_VERSION: u32 = 2;

/// Keys and values.
pub type Metadata = Vec<(String, String)>;

/// What a `.tcpp` trace says of itself that a footer tells.
const OF_HEADER: [&str; 7] = ["job", "run", "filter", "events", "boot", "trace", "selection"];

pub fn of(about: Option<&About>, ledger: Option<Totals>, losses: &Losses) -> Metadata {
    let mut metadata = Metadata::new();
    let mut put = |name: &str, value: &dyn ToString| metadata.push((format!("tcpprobe.{name}"), value.to_string()));
    put("schema_version", &SCHEMA_VERSION);
    if let Some(about) = about {
        for (name, value) in [("host", &about.host), ("kernel", &about.kernel), ("clock", &about.clock)] {
            put(name, value);
        }
        for name in OF_HEADER {
            let value = about.header.get(name);
            if !value.is_empty() {
                put(name, &value);
            }
        }
    }
    if let Some(Totals { stored, filtered, lost, dropped, unknown }) = ledger {
        put("ledger.stored", &stored);
        put("ledger.filtered", &filtered);
        put("ledger.lost", &lost);
        put("ledger.dropped", &dropped);
        put("ledger.unknown", &unknown);
    }
    put("lost", &losses.lost);
    put("gaps_unknown", &losses.gaps_unknown);
    put("damages", &losses.damages);
    metadata
}
