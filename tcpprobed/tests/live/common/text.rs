//! Lines of ftrace text, ours and the kernel's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::traffic::{CLIENT, SERVER};

/// The kernel may forget a few tasks at once, those that share a place in its table, but never so many.
const TASKS_FORGOTTEN_MAX: usize = 20;
/// Bytes of a task's name that the kernel keeps (`TASK_COMM_LEN`, less the NUL).
const COMM_LENGTH_MAX: usize = 15;
/// What is printed for a task whose name is not known.
const UNKNOWN: &str = "<...>";

/// Splits `          iperf3-42      [001] ..s2.  1830.433505: …` into the task's name and the rest.
fn split(line: &str) -> (&str, &str) {
    let bracket = line.find(" [").unwrap_or_else(|| panic!("no line of an event: {line}"));
    let dash = line[..bracket].rfind('-').unwrap_or_else(|| panic!("no line of an event: {line}"));
    (line[..dash].trim_start(), &line[dash + 1..])
}

/// The kernel forgets names, and was asked at another time than by the daemon: then a task of some other program may have
/// begun another one. One of ours has its maker's name, this test's, until it has given itself its own, and the kernel
/// may not have looked since.
fn is_same_name(one: &str, other: &str) -> bool {
    let is_ours = |name| name == CLIENT || name == SERVER;
    let current = std::thread::current();
    let makers = current.name().map_or("", |name| name.get(..COMM_LENGTH_MAX).unwrap_or(name));
    let is_earlier = |earlier, name| earlier == makers && is_ours(name);
    let is_makers = is_earlier(one, other) || is_earlier(other, one);
    one == other || one == UNKNOWN || other == UNKNOWN || is_makers || !is_ours(one) && !is_ours(other)
}

/// Checks that whatever task the kernel still can name, we can, by the same name.
#[track_caller]
pub fn assert_same_names(ours: &[String], kernels: &[String]) {
    let ours = names(ours);
    let kernels = names(kernels);
    let known = kernels.iter().filter(|(_, names)| !names.contains(UNKNOWN));
    for (pid, theirs) in known {
        let is_same =
            ours[pid].iter().all(|our| *our != UNKNOWN && theirs.iter().all(|their| is_same_name(our, their)));
        assert!(is_same, "task {pid} is {:?}, for the kernel {theirs:?}", ours[pid]);
    }
    let is_known = kernels.values().any(|names| names.contains(CLIENT));
    assert!(is_known || kernels.len() < TASKS_FORGOTTEN_MAX, "the kernel knows no task of ours: this shows little");
}

/// Words that `%p` printed: by the kernel a hash, by us an id.
fn is_pointer(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks our lines against the kernel's, in order and field by field. Of two pointers it is only asked that they always
/// stand for each other.
#[track_caller]
pub fn assert_same_text(ours: &[String], kernels: &[String]) {
    let (mut to_hash, mut to_id) = (HashMap::new(), HashMap::new());
    for (our, their) in ours.iter().zip(kernels) {
        let ((our_name, our_rest), (their_name, their_rest)) = (split(our), split(their));
        assert!(is_same_name(our_name, their_name), "\nours   {our}\nkernel {their}");
        let (our_words, their_words): (Vec<_>, Vec<_>) =
            (our_rest.split(['=', ' ']).collect(), their_rest.split(['=', ' ']).collect());
        assert_eq!(our_words.len(), their_words.len(), "\nours   {our}\nkernel {their}");
        for (&our_word, &their_word) in our_words.iter().zip(&their_words) {
            if is_pointer(our_word) && is_pointer(their_word) {
                assert_eq!(
                    *to_hash.entry(our_word).or_insert(their_word),
                    their_word,
                    "one id, two hashes\n{our}\n{their}"
                );
                assert_eq!(*to_id.entry(their_word).or_insert(our_word), our_word, "one hash, two ids\n{our}\n{their}");
            } else {
                assert_eq!(our_word, their_word, "\nours   {our}\nkernel {their}");
            }
        }
    }
    assert_eq!(ours.len(), kernels.len(), "lines");
}

/// Checks our lines against those of another instance, which has its own times and hashes: that the same lines come equally
/// often.
#[track_caller]
pub fn assert_same_lines(ours: &[String], kernels: &[String]) {
    let sorted = |lines: &[String]| {
        let mut lines: Vec<String> = lines.iter().map(|line| of_any_instance(line)).collect();
        lines.sort_unstable();
        lines
    };
    let (ours, kernels) = (sorted(ours), sorted(kernels));
    let different = ours.iter().zip(&kernels).find(|(our, their)| our != their);
    assert_eq!(different, None);
    assert_eq!(ours.len(), kernels.len(), "lines");
}

/// `42 [001] ..s2. tcp_probe: …`: without the name, the time, pointers, and whether the scheduler wanted the CPU back.
fn of_any_instance(line: &str) -> String {
    let (_, rest) = split(line);
    let mut words = rest.split_whitespace();
    let (pid, cpu, flags, _time) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap(), words.next());
    let fields = words.map(|word| match word.split_once('=') {
        Some((name, value)) if is_pointer(value) => name,
        _ => word,
    });
    [&[pid, cpu, &flags[..1], &flags[2..]], fields.collect::<Vec<_>>().as_slice()].concat().join(" ")
}

/// The names of each task in a text.
fn names(lines: &[String]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in lines {
        let (name, rest) = split(line);
        let pid = rest.split(' ').next().unwrap();
        names.entry(pid).or_default().insert(name);
    }
    names
}
