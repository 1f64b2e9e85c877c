//! convert of pages that were saved without the daemon.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::Assert;
use tcpprobe::file::{Account, FORMAT_VERSION, Header, Item, Reader};

use crate::common::capture::{KERNEL, events, fixtures, folder, gunzip, records, text};
use crate::common::{check_failure, program, stderr, stdout};

/// A folder of the test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    /// With the inflated files of a case of the kernel in `DIR`, but for the text.
    fn of(case: &str) -> Self {
        let place = Place::new();
        fs::create_dir(place.dir()).unwrap();
        for file in fs::read_dir(folder(case)).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            match name.strip_suffix(".gz") {
                Some("trace.txt") => {}
                Some(name) => fs::write(place.dir().join(name), gunzip(&file)).unwrap(),
                None => drop(fs::copy(&file, place.dir().join(name)).unwrap()),
            }
        }
        place
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("DIR")
    }

    /// `EVENTS_DIR` with these files of the kernel's.
    fn events(&self, files: &[&str]) -> PathBuf {
        let target = self.0.path().join("EVENTS_DIR");
        for file in files {
            fs::create_dir_all(target.join(file).parent().unwrap()).unwrap();
            fs::copy(events(KERNEL).join(file), target.join(file)).unwrap();
        }
        target
    }

    /// Changes the pages of a CPU.
    fn edit(&self, cpu: u32, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir().join(format!("cpu{cpu}.raw"));
        let mut pages = fs::read(&path).unwrap();
        change(&mut pages);
        fs::write(&path, pages).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir().join(name)).unwrap();
    }

    /// Converts to text, with the kernel's formats; messages name what is in the place by its relative path.
    fn convert(&self, more: &[&str]) -> Assert {
        let formats = events(KERNEL).canonicalize().unwrap();
        self.run(&[&["DIR", "--formats", formats.to_str().unwrap(), "-o", "-", "--format", "text"], more].concat())
    }

    fn run(&self, arguments: &[&str]) -> Assert {
        program().current_dir(self.0.path()).arg("convert").args(arguments).assert()
    }
}

fn convert(dir: &Path, formats: &Path, format: &str) -> Assert {
    let mut command = program();
    command.arg("convert").arg(dir).arg("--formats").arg(formats).args(["-o", "-", "--format", format]);
    command.assert()
}

/// The text with its pointers numbered as they come: the same for two texts in which equal pointers stand at the same
/// places, and different ones at others.
fn numbered(text: &str) -> String {
    let is_pointer = |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut known: HashMap<String, usize> = HashMap::new();
    let words = text.split_inclusive(['=', ' ', '\n']).map(|word| {
        let bare = word.trim_end_matches(['=', ' ', '\n']);
        if !is_pointer(bare) || bare == "0000000000000000" {
            return word.to_owned();
        }
        let next = known.len();
        let number = *known.entry(bare.to_owned()).or_insert(next);
        format!("P{number}{}", &word[16..])
    });
    words.collect()
}

/// Fails at the first line that differs.
#[track_caller]
fn assert_same(ours: &str, kernels: &str) {
    let differing = ours.lines().zip(kernels.lines()).find(|(ours, kernels)| ours != kernels);
    assert_eq!(differing, None);
    assert_eq!(ours.len(), kernels.len());
}

fn body(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[derive(Default)]
struct Trace {
    header: Header,
    accounts: Vec<Account>,
    events: u64,
}

impl Trace {
    fn read(bytes: &[u8]) -> Self {
        let mut trace = Trace::default();
        let mut reader = Reader::new(bytes);
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Header(header) => trace.header = header,
                Item::Events(batch) => trace.events += batch.len() as u64,
                Item::Accounts(accounts) => trace.accounts.extend(accounts),
                Item::Damage(damage) => panic!("{damage}"),
            }
        }
        trace
    }

    fn sum(&self, of: impl Fn(&Account) -> u64) -> u64 {
        self.accounts.iter().map(of).sum()
    }
}

#[test]
fn every_capture_becomes_its_kernels_text() {
    let names = |path: &Path| -> Vec<String> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let captures = fixtures().join("captures");
    let (mut compared, mut lossy) = (0, 0);
    for kernel in names(&captures) {
        for case in names(&captures.join(&kernel)) {
            let dir = captures.join(&kernel).join(&case);
            let trace = dir.join("trace.txt.gz");
            if !trace.exists() {
                continue;
            }
            println!("{kernel} {case}");
            let assert = convert(&dir, &events(&kernel), "text");
            let is_lossy = case == "overrun";
            let assert = assert.code(if is_lossy { 6 } else { 0 });
            assert_same(&numbered(&stdout(&assert)), &numbered(&String::from_utf8(gunzip(&trace)).unwrap()));
            compared += 1;
            lossy += u32::from(is_lossy);
        }
    }
    assert!(compared >= 24 && lossy == 6, "{compared} captures, {lossy} with losses");
}

#[test]
fn so_does_what_other_kernels_and_settings_wrote() {
    let check = |kernel: &str, case: &str, formats: &Path, code: i32| {
        println!("{kernel} {case}");
        let dir = fixtures().join("other").join(kernel).join(case);
        let assert = convert(&dir, formats, "text").code(code);
        let expected = String::from_utf8(gunzip(&dir.join("trace.txt.gz"))).unwrap();
        assert_same(&numbered(&stdout(&assert)), &numbered(&expected));
        // A trace of them has all that the text needs.
        let place = Place::new();
        let file = place.0.path().join("x.tcpp");
        fs::write(&file, &convert(&dir, formats, "tcpp").code(code).get_output().stdout).unwrap();
        let again = stdout(&place.run(&["x.tcpp", "-o", "-", "--format", "text"]).code(code));
        let again: String =
            again.lines().filter(|line| !line.contains("LOST")).map(|line| format!("{line}\n")).collect();
        assert_same(&numbered(&again), &numbered(&body(&expected)));
    };
    let realtime = "6.1.0-50-rt-amd64";
    let formats = fixtures().join("other").join(realtime).join("events");
    check(realtime, "ipv6-loss1-reorder-all", &formats, 0);
    check(realtime, "overrun", &formats, 6);
    check(realtime, "reset-and-synretrans", &formats, 0);
    let arm64 = "6.12.95+deb12-cloud-arm64";
    let formats = fixtures().join("other").join(arm64).join("events");
    check(arm64, "ipv6-loss1-reorder-all", &formats, 0);
    check(arm64, "overrun", &formats, 6);
    check(arm64, "reset-and-synretrans", &formats, 0);
    let newest = "7.3.4+deb13-cloud-amd64";
    check(newest, "clock-x86-tsc", &events(newest), 0);
    check(newest, "sub-buffers-16k", &events(newest), 0);
}

#[test]
fn a_tcpp_of_pages_has_all_of_it() {
    let assert = convert(&folder("overrun"), &events(KERNEL), "tcpp").code(6);
    let lost = format!("tcpprobectl: {}: 2,050 events were lost while recording\n", folder("overrun").display());
    assert_eq!(stderr(&assert), lost);
    let bytes = assert.get_output().stdout.clone();
    let trace = Trace::read(&bytes);
    let header: Vec<(&str, &str)> = trace.header.iter().filter(|(name, _)| *name != "trace").collect();
    let version = &FORMAT_VERSION.to_string();
    let writer = concat!("tcpprobectl ", env!("CARGO_PKG_VERSION"));
    let expected = [("clock", "local"), ("host", "vm"), ("kernel", KERNEL), ("version", version), ("writer", writer)];
    assert_eq!(header, expected);
    assert_eq!((trace.events, trace.sum(|a| a.stored), trace.sum(|a| a.lost)), (263, 263, 2050));
    assert!(trace.accounts.iter().all(|account| account.lost == 0 || account.cpu == 1));

    let place = Place::new();
    fs::write(place.0.path().join("x.tcpp"), &bytes).unwrap();
    let again = place.run(&["x.tcpp", "-o", "-", "--format", "text"]).code(6);
    let ours = stdout(&again);
    assert!(ours.contains("CPU:1 [LOST 2050 EVENTS]\n"));
    let ours: String = ours.lines().filter(|line| !line.contains("LOST")).map(|line| format!("{line}\n")).collect();
    assert_same(&numbered(&ours), &numbered(&body(&text("overrun"))));
    // Nobody knows the time of day.
    let range = ["plot", "x.tcpp", "--since", "10:30"];
    check_failure(
        program().current_dir(place.0.path()).args(range).assert(),
        2,
        "x.tcpp does not tell the time of day; leave out --since, --until and --last",
    );
}

#[test]
fn no_kernel_address_comes_out() {
    let recorded: HashSet<u64> = records("ipv4-loss2")
        .iter()
        .flat_map(|(_, _, bytes)| {
            bytes.windows(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect::<Vec<_>>()
        })
        .filter(|word| word >> 47 == 0x1_ffff)
        .collect();
    assert!(recorded.len() > 100, "{}", recorded.len());
    for format in ["text", "json", "csv"] {
        let out = stdout(&convert(&folder("ipv4-loss2"), &events(KERNEL), format).code(0));
        let is_hex = |c: char| c.is_ascii_hexdigit();
        let words = out.split(|c| !is_hex(c)).filter(|word| word.len() >= 12);
        let numbers: Vec<u64> = words.filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
        assert!(numbers.len() > 2000, "{format}: {}", numbers.len());
        assert_eq!(numbers.iter().find(|number| recorded.contains(number)), None, "{format}");
    }
}

#[test]
fn what_lies_beside_the_pages_may_be_missing() {
    let place = Place::of("ipv4-loss2");
    let whole = stdout(&place.convert(&[]).code(0));
    for name in ["saved_cmdlines", "trace_clock", "cpu0.stats", "cpu1.stats", "trace_options", "buffer_size_kb"] {
        place.remove(name);
    }
    let bare = stdout(&place.convert(&[]).code(0));
    let with_name =
        |line: &&str| !line.trim_start().starts_with("<...>-") && !line.trim_start().starts_with("<idle>-0 ");
    assert_eq!(body(&bare).lines().find(with_name), None);
    assert_eq!(bare.lines().take(12).collect::<Vec<_>>(), whole.lines().take(12).collect::<Vec<_>>());
    // A CPU that recorded nothing may be an empty file or none; numbers need not follow one another.
    fs::rename(place.dir().join("cpu1.raw"), place.dir().join("cpu12.raw")).unwrap();
    fs::write(place.dir().join("cpu3.raw"), "").unwrap();
    let renumbered = stdout(&place.convert(&[]).code(0));
    assert!(renumbered.contains("#P:3\n") && renumbered.contains(" [012] "));
    assert_eq!(renumbered.lines().count(), whole.lines().count());
}

#[test]
fn without_header_page_pages_are_those_of_every_kernel() {
    let place = Place::of("overrun");
    place.events(&["tcp/tcp_probe/format", "tcp/tcp_retransmit_skb/format"]);
    let assert = place.run(&["DIR", "--formats", "EVENTS_DIR", "-o", "-", "--format", "text"]).code(6);
    assert_same(&numbered(&stdout(&assert)), &numbered(&text("overrun")));
    let note = "tcpprobectl: EVENTS_DIR/header_page: No such file or directory (os error 2); \
                pages are read as those of all 64-bit kernels so far\n";
    assert!(stderr(&assert).starts_with(note), "{}", stderr(&assert));
}

/// tracefs gives all of `header_page` to the first read of it.
#[test]
fn the_formats_may_be_those_of_this_kernel() {
    let tracefs = Path::new("/sys/kernel/tracing");
    if !tracefs.join("events/header_page").exists() {
        assert!(std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_none(), "this run may not skip");
        eprintln!("skipped: no tracefs at {}, or not for this user", tracefs.display());
        return;
    }
    let place = Place::of("ipv4-loss2");
    for formats in ["/sys/kernel/tracing", "/sys/kernel/tracing/events"] {
        let told = stderr(&place.run(&["DIR", "--formats", formats, "-o", "x.txt"]));
        // The events' IDs are another kernel's.
        assert!(!told.contains("header_page"), "{told}");
    }
}

#[test]
fn the_clock_tells_how_times_are_printed() {
    let place = Place::of("ipv4-loss2");
    for clock in ["counter", "uptime", "x86-tsc"] {
        fs::write(place.dir().join("trace_clock"), format!("local [{clock}] boot\n")).unwrap();
        let formats = events(KERNEL).canonicalize().unwrap();
        let assert = place.run(&["DIR", "--formats", formats.to_str().unwrap(), "-o", "x.tcpp"]).code(0);
        let note = format!("tcpprobectl: DIR: the clock {clock} does not count nanoseconds; times are its ticks\n");
        assert_eq!(stderr(&assert), note);
        let direct = body(&stdout(&place.convert(&[]).code(0)));
        let first =
            format!("          iperf3-8268    [000] ..... {}: inet_sock_set_state: ", records("ipv4-loss2")[0].1);
        assert!(direct.starts_with(&first), "{}", direct.lines().next().unwrap());
        let by_tcpp = stdout(&place.run(&["x.tcpp", "-o", "-", "--format", "text"]).code(0));
        assert_same(&numbered(&by_tcpp), &numbered(&direct));
        fs::remove_file(place.0.path().join("x.tcpp")).unwrap();
    }
}

#[test]
fn only_what_was_asked_for_is_written() {
    let place = Place::of("ipv4-loss2");
    let selection = ["--events", "tcp_probe", "--filter", "sport == 56150"];
    let some = stdout(&place.convert(&selection).code(0));
    assert!(some.lines().all(|line| line.contains(": tcp_probe: ")), "no header that counts others");
    let expected =
        text("ipv4-loss2").lines().filter(|line| line.contains("tcp_probe") && line.contains(":56150 dest")).count();
    assert!(expected > 100);
    assert_eq!(some.lines().count(), expected);
    let formats = events(KERNEL).canonicalize().unwrap();
    let arguments = ["DIR", "--formats", formats.to_str().unwrap(), "-o", "some.tcpp"];
    place.run(&[&arguments[..], &selection].concat()).code(0);
    let trace = Trace::read(&fs::read(place.0.path().join("some.tcpp")).unwrap());
    assert_eq!(trace.header.get("selection"), "tcp_probe with sport == 56150");
    assert_eq!(trace.sum(|a| a.stored), expected as u64);
    assert_eq!(trace.sum(Account::events), records("ipv4-loss2").len() as u64);
    check_failure(
        place.convert(&["--filter", "sport == 1"]),
        5,
        "DIR has no such events; take a wider range or filter, or wait for TCP traffic",
    );
}

#[test]
fn events_that_nothing_describes_are_counted_and_left_out() {
    let place = Place::of("ipv4-loss2");
    place.events(&["header_page", "tcp/tcp_probe/format"]);
    let convert = |output: &str| place.run(&["DIR", "--formats", "EVENTS_DIR", "-o", output]).code(6);
    let assert = convert("x.txt");
    let words = "tcpprobectl: DIR: 43 events are left out, for EVENTS_DIR does not describe them (IDs 2281, 2287)\n";
    assert_eq!(stderr(&assert), words);
    let out = fs::read_to_string(place.0.path().join("x.txt")).unwrap();
    assert_eq!(body(&out).lines().count(), 2069);
    convert("x.tcpp");
    let trace = Trace::read(&fs::read(place.0.path().join("x.tcpp")).unwrap());
    assert_eq!((trace.sum(|a| a.stored), trace.sum(|a| a.dropped)), (2069, 43));

    // Nor are those that are shorter than a format of another kernel says.
    let path = place.0.path().join("EVENTS_DIR/tcp/tcp_probe/format");
    let other = fs::read_to_string(&path).unwrap().replace("offset:128;", "offset:228;");
    fs::write(&path, other).unwrap();
    let assert = place.run(&["DIR", "--formats", "EVENTS_DIR", "-o", "x.txt"]).code(1);
    let told = stderr(&assert);
    assert!(told.starts_with("tcpprobectl: EVENTS_DIR describes none of the 2,112 events in DIR (IDs "), "{told}");
    assert!(told.ends_with("); give the events/ folder of the kernel that wrote the pages\n"), "{told}");
}

#[test]
fn a_loss_without_its_number_is_told_by_stats_or_not_at_all() {
    let place = Place::of("overrun");
    place.edit(1, |pages| pages[11] &= !0x40);
    let assert = place.convert(&[]).code(6);
    assert_eq!(stderr(&assert), "tcpprobectl: DIR: 2,050 events were lost while recording\n");
    assert_same(&numbered(&stdout(&assert)), &numbered(&text("overrun")));
    place.remove("cpu1.stats");
    let assert = place.convert(&[]).code(6);
    assert_eq!(stderr(&assert), "tcpprobectl: DIR: an unknown number of events was lost in one place\n");
    assert!(stdout(&assert).contains("entries-written: 263/264 "));
}

#[test]
fn losses_that_no_page_tells_come_from_stats() {
    let place = Place::of("ipv4-loss2");
    let stats = fs::read_to_string(place.dir().join("cpu0.stats")).unwrap();
    let stats =
        stats.replace("dropped events: 0", "dropped events: 7").replace("commit overrun: 0", "commit overrun: 5");
    fs::write(place.dir().join("cpu0.stats"), stats).unwrap();
    let formats = events(KERNEL).canonicalize().unwrap();
    let assert = place.run(&["DIR", "--formats", formats.to_str().unwrap(), "-o", "x.tcpp"]).code(6);
    assert_eq!(stderr(&assert), "tcpprobectl: DIR: 12 events were lost while recording\n");
    let trace = Trace::read(&fs::read(place.0.path().join("x.tcpp")).unwrap());
    assert_eq!((trace.sum(|a| a.lost), trace.sum(|a| a.dropped)), (5, 7));
}

#[test]
fn damaged_pages_give_what_is_left_of_them() {
    let place = Place::of("ipv4-loss2");
    let all = body(&stdout(&place.convert(&[]).code(0))).lines().count();
    place.edit(0, |pages| pages.truncate(pages.len() - 4096 - 1000));
    let assert = place.convert(&[]).code(6);
    let left = body(&stdout(&assert)).lines().count();
    assert!((all - 60..all - 10).contains(&left), "{left} of {all}");
    let told = stderr(&assert);
    assert!(told.starts_with("tcpprobectl: DIR/cpu0.raw, byte 302104: the page is shorter than it claims\n"), "{told}");
    place.edit(0, |pages| pages[8192 + 16..2 * 8192].fill(0));
    let told = stderr(&place.convert(&[]).code(6));
    assert!(told.contains("DIR/cpu0.raw, byte 8208: a long record without its length\n"), "{told}");
    // A gzipped file that is cut short.
    let packed = fs::read(folder("ipv4-loss2").join("cpu0.raw.gz")).unwrap();
    place.remove("cpu0.raw");
    fs::write(place.dir().join("cpu0.raw.gz"), &packed[..packed.len() / 2]).unwrap();
    let told = stderr(&place.convert(&[]).code(6));
    assert!(told.contains("the compressed file is cut short\n"), "{told}");
}

#[test]
fn what_cannot_be_read_is_said_in_a_line() {
    let place = Place::of("overrun");
    place.events(&["header_page", "tcp/tcp_probe/format"]);
    let run = |dir: &str, formats: &str| place.run(&[dir, "--formats", formats, "-o", "x.txt"]);
    check_failure(run("nowhere", "EVENTS_DIR"), 1, "cannot read nowhere: No such file or directory (os error 2)");
    check_failure(run("DIR", "nowhere"), 1, "cannot read nowhere: No such file or directory (os error 2)");
    let no_pages = "EVENTS_DIR holds no cpuN.raw; `tcpprobectl convert --help` shows how to save them";
    check_failure(run("EVENTS_DIR", "EVENTS_DIR"), 1, no_pages);
    let no_header = "DIR/header_page: No such file or directory (os error 2); \
                     --formats takes the whole events/ folder of the kernel that wrote the pages";
    check_failure(run("DIR", "DIR"), 1, no_header);
    check_failure(
        run("DIR/cpu0.raw", "DIR"),
        2,
        "DIR/cpu0.raw is not a directory; --formats goes with a folder of cpuN.raw",
    );
    let no_formats = "DIR is a directory; for the pages in it, give --formats EVENTS_DIR";
    check_failure(place.run(&["DIR", "-o", "x.txt"]), 2, no_formats);
    assert!(!place.0.path().join("x.txt").exists());

    fs::copy(place.dir().join("cpu0.raw"), place.dir().join("cpu00.raw")).unwrap();
    let both = "DIR/cpu0.raw and DIR/cpu00.raw are both of CPU 0; take one of them away";
    check_failure(run("DIR", "EVENTS_DIR"), 1, both);
    place.remove("cpu00.raw");

    let header = place.0.path().join("EVENTS_DIR/header_page");
    let good = fs::read_to_string(&header).unwrap();
    fs::write(&header, good.replace("offset:8;\tsize:8", "offset:8;\tsize:4").replace("offset:16", "offset:12"))
        .unwrap();
    let of_32_bits =
        "EVENTS_DIR: format file of header_page, line 0: of a 32-bit kernel, and only 64-bit kernels are supported";
    check_failure(run("DIR", "EVENTS_DIR"), 1, of_32_bits);
    fs::write(&header, "rubbish").unwrap();
    assert!(
        stderr(&run("DIR", "EVENTS_DIR").code(1))
            .starts_with("tcpprobectl: EVENTS_DIR: format file of header_page, line 1: ")
    );
    fs::write(&header, good).unwrap();

    let twice = place.0.path().join("EVENTS_DIR/tcp/twice");
    fs::create_dir(&twice).unwrap();
    fs::copy(place.0.path().join("EVENTS_DIR/tcp/tcp_probe/format"), twice.join("format")).unwrap();
    let told = stderr(&run("DIR", "EVENTS_DIR").code(1));
    assert!(told.contains("EVENTS_DIR: tcp:tcp_probe and EVENTS_DIR/tcp/twice/format have the same ID "), "{told}");
    fs::write(twice.join("format"), "name: twice\nID: x\n").unwrap();
    let told = stderr(&run("DIR", "EVENTS_DIR").code(6));
    let bad =
        "EVENTS_DIR/tcp/twice/format: format file of twice, line 2: the ID is not a number below 65536; it is not used";
    assert!(told.contains(bad), "{told}");

    fs::remove_dir_all(&twice).unwrap();
    let hint = "; cpuN.raw is what per_cpu/cpuN/trace_pipe_raw gives";
    place.remove("cpu1.raw");
    let check = |bytes: &[u8], reason: &str| {
        fs::write(place.dir().join("cpu0.raw"), bytes).unwrap();
        check_failure(
            run("DIR", "EVENTS_DIR"),
            1,
            &format!("DIR holds no ring-buffer pages: DIR/cpu0.raw, byte {reason}{hint}"),
        );
    };
    check(&b"# tracer: nop\n".repeat(1000), "8: claims more data than any page has");
    check(b"short", "0: shorter than its header");
    let big_endian = [&7u64.to_be_bytes()[..], &100u64.to_be_bytes(), &[1; 4080]].concat();
    check(&big_endian, "8: written by a big-endian kernel, which is not supported");
    fs::write(place.dir().join("cpu0.raw"), vec![0; 8192]).unwrap();
    let nothing = "DIR has no such events; take a wider range or filter, or wait for TCP traffic";
    check_failure(run("DIR", "EVENTS_DIR"), 5, nothing);
}
