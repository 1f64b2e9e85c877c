//! The programs at the ends: a script each, and a log of what they did when.
//!
//! `wN` writes N bytes, `rN` reads N, `zMS` sleeps, `bMS` writes without end so long, `R` reads to the end, `e` waits until all is
//! acknowledged, `kN/MS` reads N bytes each MS to the end, `q` closes with unread data, `n*(…)` repeats.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::clock::now;
use super::sys;

/// A step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Write(usize),
    Read(usize),
    Sleep(u64),
    WriteFor(u64),
    ReadAll,
    Acknowledged,
    ReadSlowly(usize, u64),
    Quit,
    Repeat(usize, Vec<Step>),
}

/// What a program does during a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Writing,
    Reading,
    Sleeping,
    Waiting,
}

/// No write goes on for longer, in nanoseconds.
const PATIENCE: u64 = 20_000_000_000;

/// From, to, what.
pub type Log = Vec<(u64, u64, Doing)>;

pub fn parse(text: &str) -> Result<Vec<Step>> {
    let (steps, rest) = sequence(text)?;
    if !rest.is_empty() {
        bail!("script: {rest} is not understood");
    }
    Ok(steps)
}

fn number(text: &str) -> Result<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Ok((text[..end].parse().with_context(|| format!("script: a number before {text}"))?, &text[end..]))
}

fn sequence(mut text: &str) -> Result<(Vec<Step>, &str)> {
    let mut steps = Vec::new();
    loop {
        text = text.trim_start_matches(',');
        let Some(first) = text.chars().next().filter(|&c| c != ')') else { return Ok((steps, text)) };
        let rest = &text[1..];
        let (step, after) = match first {
            'w' => number(rest).map(|(n, after)| (Step::Write(n as usize), after))?,
            'r' => number(rest).map(|(n, after)| (Step::Read(n as usize), after))?,
            'z' => number(rest).map(|(n, after)| (Step::Sleep(n), after))?,
            'b' => number(rest).map(|(n, after)| (Step::WriteFor(n), after))?,
            'R' => (Step::ReadAll, rest),
            'e' => (Step::Acknowledged, rest),
            'q' => (Step::Quit, rest),
            'k' => {
                let (bytes, after) = number(rest)?;
                let (ms, after) = number(after.strip_prefix('/').context("script: kN/MS")?)?;
                (Step::ReadSlowly(bytes as usize, ms), after)
            }
            '0'..='9' => {
                let (times, after) = number(text)?;
                let (inner, after) = sequence(after.strip_prefix("*(").context("script: n*(…)")?)?;
                (Step::Repeat(times as usize, inner), after.strip_prefix(')').context("script: n*(…)")?)
            }
            other => bail!("script: no step {other}"),
        };
        steps.push(step);
        text = after;
    }
}

/// Runs steps on a connection. Says whether to go on: the peer may be gone.
pub fn run(steps: &[Step], stream: &mut &TcpStream, log: &mut Log) -> bool {
    steps.iter().all(|step| one(step, stream, log))
}

fn one(step: &Step, stream: &mut &TcpStream, log: &mut Log) -> bool {
    static BLOCK: [u8; 1 << 17] = [0; 1 << 17];
    let mut buffer = vec![0_u8; 1 << 16];
    let from = now();
    let (doing, goes_on) = match step {
        Step::Write(bytes) => {
            let mut left = *bytes;
            while left > 0 {
                match write(stream, &BLOCK[..left.min(BLOCK.len())]) {
                    Some(n) if now() < from + PATIENCE => left -= n,
                    _ => break,
                }
            }
            (Doing::Writing, left == 0)
        }
        Step::Read(bytes) => {
            let mut left = *bytes;
            while left > 0 {
                let most = left.min(buffer.len());
                match stream.read(&mut buffer[..most]) {
                    Ok(n) if n > 0 => left -= n,
                    _ => break,
                }
            }
            (Doing::Reading, left == 0)
        }
        Step::Sleep(ms) => {
            std::thread::sleep(Duration::from_millis(*ms));
            (Doing::Sleeping, true)
        }
        Step::WriteFor(ms) => {
            let mut goes_on = true;
            while goes_on && now() < from + ms * 1_000_000 {
                goes_on = write(stream, &BLOCK).is_some();
            }
            (Doing::Writing, goes_on)
        }
        Step::ReadAll => {
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
            (Doing::Reading, true)
        }
        Step::Acknowledged => {
            let is_out = || {
                let Ok(info) = sys::tcp_info(*stream) else { return false };
                let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
                (word(24) > 0 || word(144) > 0) && info[0] == 1
            };
            while is_out() && now() < from + 20_000_000_000 {
                std::thread::sleep(Duration::from_millis(2));
            }
            (Doing::Waiting, true)
        }
        Step::ReadSlowly(bytes, ms) => {
            let mut next = from;
            let mut goes_on = true;
            while goes_on {
                let mut left = *bytes;
                while left > 0 && goes_on {
                    let most = left.min(buffer.len());
                    match stream.read(&mut buffer[..most]) {
                        Ok(n) if n > 0 => left -= n,
                        _ => goes_on = false,
                    }
                }
                next += ms * 1_000_000;
                super::clock::sleep_until(next);
            }
            (Doing::Sleeping, true)
        }
        Step::Quit => (Doing::Waiting, false),
        Step::Repeat(times, steps) => return (0..*times).all(|_| run(steps, stream, log)),
    };
    log.push((from, now(), doing));
    goes_on
}

/// What was written of `bytes`; nothing where the socket has no room for a while, `None` where it fails.
fn write(stream: &mut &TcpStream, bytes: &[u8]) -> Option<usize> {
    match stream.write(bytes) {
        Ok(n) => Some(n),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}

/// Whether a program does not read all the time.
pub fn is_slow(script: &str) -> bool {
    script.contains(['z', 'k'])
}
