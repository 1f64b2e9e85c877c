//! The scenarios. Those whose name ends in `+` have other parameters, or are of other kinds, than rules were tried on.

use super::network::Link;
use super::scenario::{Scenario, Why};

const BASE: Scenario = Scenario {
    name: "",
    accept: "",
    why: Why::Nothing,
    link: Link::Tun,
    is_ipv6: false,
    watch: 0,
    paths: ["", ""],
    scripts: ["b7000,e", "R"],
    options: ["", ""],
    sysctls: &[],
    gso: false,
    mtu: None,
    tbf: None,
    others: 0,
    stagger_ms: 0,
    seed: 7,
    is_receiver: false,
    are_causes_judged: true,
    findings: "",
};

const NODELAY: [&str; 2] = ["nodelay", "nodelay"];
const QUEUE: Scenario = Scenario { accept: "bandwidth", why: Why::Queue, ..BASE };
const LOSS: Scenario = Scenario { accept: "packet_loss", why: Why::Loss, ..BASE };
const POLICER: Scenario = Scenario { accept: "policer", why: Why::Policer, scripts: ["b9000,e", "R"], ..BASE };
const WINDOW: Scenario = Scenario { accept: "receive_window", ..BASE };
const READER: Scenario = Scenario { accept: "receiver_application", ..BASE };
const BUFFER: Scenario = Scenario { accept: "send_buffer", ..BASE };
const HOST: Scenario = Scenario { accept: "sender_host", why: Why::Host, ..BASE };
const PROGRAM: Scenario = Scenario { accept: "sender_application", options: NODELAY, ..BASE };
const TRIPS: Scenario = Scenario { accept: "round_trips", options: NODELAY, ..BASE };
const GROWTH: Scenario = Scenario { accept: "window_growth", gso: true, ..BASE };
const NAGLE: Scenario = Scenario { accept: "small_writes", why: Why::Nagle, ..BASE };

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    // A bottleneck with a queue.
    Scenario { name: "queue-20", paths: ["delay=20,rate=20,queue=60", "delay=20"], findings: "", ..QUEUE },
    Scenario {
        name: "queue-5-deep",
        paths: ["delay=15,rate=5,queue=400", "delay=15"],
        findings: "bufferbloat",
        ..QUEUE
    },
    Scenario {
        name: "queue-20-four",
        paths: ["delay=12,rate=20,queue=120", "delay=12"],
        others: 3,
        stagger_ms: 30,
        ..QUEUE
    },
    Scenario { name: "queue-lan", paths: ["delay=0,rate=30,queue=50", "delay=0"], scripts: ["b5000,e", "R"], ..QUEUE },
    Scenario {
        name: "queue-far",
        paths: ["delay=90,rate=8,queue=120", "delay=90"],
        is_ipv6: true,
        scripts: ["b9000,e", "R"],
        ..QUEUE
    },
    Scenario {
        name: "queue-ecn",
        paths: ["delay=20,rate=16,queue=200,ce=30", "delay=20"],
        sysctls: &[("net.ipv4.tcp_ecn", "1")],
        findings: "ecn",
        ..QUEUE
    },
    Scenario { name: "queue-shallow-2", paths: ["delay=9,rate=26,queue=12", "delay=9"], ..QUEUE },
    Scenario {
        name: "queue-small-bdp-2",
        paths: ["delay=3", "delay=3,rate=12,queue=90"],
        watch: 1,
        scripts: ["R", "b6000,e"],
        ..QUEUE
    },
    Scenario {
        name: "queue-deep-2",
        paths: ["delay=35,rate=3,queue=250", "delay=35"],
        scripts: ["b8000,e", "R"],
        findings: "bufferbloat",
        ..QUEUE
    },
    Scenario {
        name: "queue-two-2",
        paths: ["delay=30,rate=9,queue=80", "delay=30"],
        options: ["cc=reno", ""],
        others: 1,
        stagger_ms: 1500,
        ..QUEUE
    },
    Scenario {
        name: "queue-far-2",
        paths: ["delay=70", "delay=70,rate=22,queue=260"],
        watch: 1,
        scripts: ["R", "b9000,e"],
        ..QUEUE
    },
    Scenario {
        name: "queue-ecn-2",
        paths: ["delay=35,rate=9,queue=300,ce=25", "delay=35"],
        sysctls: &[("net.ipv4.tcp_ecn", "1")],
        findings: "ecn",
        ..QUEUE
    },
    Scenario { name: "queue-ack-loss-2", paths: ["delay=18,rate=14,queue=90", "delay=18,loss=25"], ..QUEUE },
    Scenario {
        name: "bbr",
        paths: ["delay=20,rate=18,queue=80", "delay=20"],
        options: ["cc=bbr", ""],
        why: Why::Rate,
        ..QUEUE
    },
    Scenario {
        name: "bbr-loss-2",
        paths: ["delay=30,rate=12,queue=60,loss=1", "delay=30"],
        options: ["cc=bbr", ""],
        why: Why::Rate,
        ..QUEUE
    },
    Scenario {
        name: "own-tbf",
        accept: "sender_host|bandwidth",
        why: Why::OwnDevice,
        paths: ["delay=20", "delay=20"],
        tbf: Some("rate 20mbit burst 15000 limit 300000"),
        gso: true,
        ..BASE
    },
    Scenario {
        name: "own-tbf-2",
        accept: "sender_host|bandwidth",
        why: Why::OwnDevice,
        paths: ["delay=8", "delay=8"],
        tbf: Some("rate 11mbit burst 12000 limit 200000"),
        gso: true,
        ..BASE
    },
    Scenario {
        name: "veth-tbf-2",
        accept: "sender_host|bandwidth",
        why: Why::OwnDevice,
        link: Link::Veth,
        tbf: Some("rate 40mbit burst 20000 limit 400000"),
        gso: true,
        scripts: ["b4000,e", "R"],
        ..BASE
    },
    // Loss.
    Scenario { name: "loss-2", paths: ["delay=20,loss=2", "delay=20"], ..LOSS },
    Scenario { name: "loss-half", paths: ["delay=25,loss=0.5", "delay=25"], scripts: ["b9000,e", "R"], ..LOSS },
    Scenario { name: "loss-bursts", paths: ["delay=20,loss=1,burst=6", "delay=20"], ..LOSS },
    Scenario { name: "loss-lan", paths: ["delay=0.5,loss=3", "delay=0.5"], scripts: ["b4000,e", "R"], ..LOSS },
    Scenario { name: "loss-heavy-2", paths: ["delay=15,loss=6", "delay=15"], ..LOSS },
    Scenario {
        name: "loss-reno-2",
        paths: ["delay=45,loss=1.2", "delay=45"],
        options: ["cc=reno", ""],
        scripts: ["b9000,e", "R"],
        ..LOSS
    },
    Scenario { name: "loss-wide-2", paths: ["delay=30,loss=1,rate=60,queue=400", "delay=30"], is_ipv6: true, ..LOSS },
    Scenario {
        name: "loss-far-2",
        paths: ["delay=80", "delay=80,loss=0.8"],
        watch: 1,
        scripts: ["R", "b9000,e"],
        ..LOSS
    },
    Scenario { name: "loss-lan-2", paths: ["delay=1,loss=5", "delay=1"], scripts: ["b4000,e", "R"], ..LOSS },
    Scenario {
        name: "tail",
        paths: ["delay=30,tail=9000,tailn=1", "delay=30"],
        scripts: ["30*(w9000,r40)", "30*(r9000,w40),R"],
        options: NODELAY,
        ..LOSS
    },
    Scenario {
        name: "tail-2",
        paths: ["delay=18,tail=12000,tailn=2", "delay=18"],
        scripts: ["40*(w12000,r40)", "40*(r12000,w40),R"],
        options: NODELAY,
        ..LOSS
    },
    Scenario {
        name: "tail-twice",
        accept: "timeout",
        paths: ["delay=20,tail=6000,tailn=1,tailtimes=2", "delay=20"],
        scripts: ["14*(w6000,r40)", "14*(r6000,w40),R"],
        options: NODELAY,
        ..LOSS
    },
    // A policer.
    Scenario { name: "policer-8", paths: ["delay=20,police=8,pburst=125", "delay=20"], ..POLICER },
    Scenario { name: "policer-3", paths: ["delay=30,police=3,pburst=60", "delay=30"], ..POLICER },
    Scenario { name: "policer-14-2", paths: ["delay=10,police=14,pburst=250", "delay=10"], ..POLICER },
    Scenario {
        name: "policer-5-2",
        paths: ["delay=50,police=5,pburst=90", "delay=50"],
        options: ["cc=reno", ""],
        is_ipv6: true,
        ..POLICER
    },
    // The receiver.
    Scenario { name: "rcvbuf-80", paths: ["delay=40", "delay=40"], options: ["", "rcvbuf=32000"], ..WINDOW },
    Scenario {
        name: "rcvbuf-lan",
        link: Link::Veth,
        gso: true,
        scripts: ["b3000,e", "R"],
        options: ["", "rcvbuf=20000"],
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-loopback",
        link: Link::Loopback,
        gso: true,
        scripts: ["b2000,e", "R"],
        options: ["", "rcvbuf=40000"],
        ..WINDOW
    },
    Scenario {
        name: "unscaled",
        paths: ["delay=50", "delay=50"],
        sysctls: &[("net.ipv4.tcp_window_scaling", "0")],
        gso: true,
        findings: "unscaled_window",
        ..WINDOW
    },
    Scenario {
        name: "rmem-cap",
        paths: ["delay=100", "delay=100"],
        sysctls: &[("net.ipv4.tcp_rmem", "4096 131072 400000")],
        gso: true,
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-bottleneck-2",
        paths: ["delay=30,rate=40,queue=300", "delay=30"],
        options: ["", "rcvbuf=60000"],
        is_ipv6: true,
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-5ms-2",
        paths: ["delay=2.5", "delay=2.5"],
        options: ["", "rcvbuf=24000"],
        scripts: ["b4000,e", "R"],
        gso: true,
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-loopback-2",
        link: Link::Loopback,
        is_ipv6: true,
        gso: true,
        watch: 1,
        scripts: ["R", "b2000,e"],
        options: ["rcvbuf=16000", ""],
        ..WINDOW
    },
    Scenario {
        name: "rmem-cap-2",
        paths: ["delay=30", "delay=30"],
        sysctls: &[("net.ipv4.tcp_rmem", "4096 60000 90000")],
        watch: 1,
        scripts: ["R", "b6000,e"],
        gso: true,
        ..WINDOW
    },
    Scenario {
        name: "reader-slow",
        paths: ["delay=20", "delay=20"],
        scripts: ["b8000", "k30000/200"],
        options: ["", "rcvbuf=200000"],
        ..READER
    },
    Scenario {
        name: "reader-naps",
        paths: ["delay=15,rate=20,queue=100", "delay=15"],
        why: Why::Queue,
        scripts: ["b9000", "4*(r1500000,z1700),R"],
        options: ["", "rcvbuf=150000"],
        ..READER
    },
    Scenario { name: "reader-loopback", link: Link::Loopback, gso: true, scripts: ["b4000", "k400000/50"], ..READER },
    Scenario {
        name: "reader-auto-2",
        paths: ["delay=35", "delay=35"],
        scripts: ["b8000", "k80000/150"],
        gso: true,
        ..READER
    },
    Scenario {
        name: "reader-fine-2",
        paths: ["delay=10", "delay=10"],
        scripts: ["b6000", "k4000/16"],
        options: ["", "rcvbuf=90000"],
        ..READER
    },
    Scenario {
        name: "reader-veth-2",
        link: Link::Veth,
        gso: true,
        scripts: ["b4000", "k150000/30"],
        options: ["", "rcvbuf=300000"],
        ..READER
    },
    // The sender's host and program.
    Scenario { name: "sndbuf", paths: ["delay=40", "delay=40"], options: ["sndbuf=32000", ""], ..BUFFER },
    Scenario {
        name: "wmem-cap",
        paths: ["delay=100", "delay=100"],
        sysctls: &[("net.ipv4.tcp_wmem", "4096 16384 128000")],
        ..BUFFER
    },
    Scenario {
        name: "sndbuf-lan",
        link: Link::Tun,
        paths: ["delay=1", "delay=1"],
        scripts: ["b3000,e", "R"],
        options: ["sndbuf=16000", ""],
        ..BUFFER
    },
    Scenario {
        name: "sndbuf-2",
        paths: ["delay=25", "delay=25"],
        options: ["sndbuf=20000", ""],
        is_ipv6: true,
        ..BUFFER
    },
    Scenario {
        name: "sndbuf-bbr-2",
        paths: ["delay=35", "delay=35"],
        options: ["sndbuf=40000 cc=bbr", ""],
        why: Why::Unknown,
        ..BUFFER
    },
    Scenario {
        name: "wmem-cap-2",
        paths: ["delay=60", "delay=60"],
        sysctls: &[("net.ipv4.tcp_wmem", "4096 16384 80000")],
        watch: 1,
        scripts: ["R", "b7000,e"],
        ..BUFFER
    },
    Scenario {
        name: "paced-5",
        paths: ["delay=20,rate=100,queue=500", "delay=20"],
        options: ["pace=625000", ""],
        ..HOST
    },
    Scenario { name: "paced-12-2", paths: ["delay=12", "delay=12"], options: ["pace=1500000", ""], gso: true, ..HOST },
    Scenario {
        name: "paced-lan-2",
        link: Link::Veth,
        options: ["pace=4000000", ""],
        gso: true,
        scripts: ["b4000,e", "R"],
        ..HOST
    },
    Scenario {
        name: "bursts",
        paths: ["delay=20", "delay=20"],
        scripts: ["50*(w64000,z100),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ticks",
        paths: ["delay=20", "delay=20"],
        scripts: ["600*(w2500,z10),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "thinks",
        paths: ["delay=20", "delay=20"],
        watch: 1,
        scripts: ["25*(w300,r10000)", "25*(r300,z200,w10000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "thinks-loopback",
        link: Link::Loopback,
        watch: 1,
        scripts: ["60*(w300,r50000)", "60*(r300,z60,w50000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "bursts-loopback",
        link: Link::Loopback,
        scripts: ["60*(w300000,z50),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ticks-loss-2",
        paths: ["delay=15,loss=3", "delay=15"],
        scripts: ["240*(w900,z25),e", "R"],
        why: Why::Unknown,
        ..PROGRAM
    },
    Scenario { name: "ticks-veth-2", link: Link::Veth, scripts: ["900*(w1200,z5),e", "R"], gso: true, ..PROGRAM },
    Scenario {
        name: "bursts-2",
        paths: ["delay=45", "delay=45"],
        scripts: ["30*(w200000,z200),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "thinks-2",
        paths: ["delay=5", "delay=5"],
        watch: 1,
        is_ipv6: true,
        scripts: ["40*(w600,r40000)", "40*(r600,z120,w40000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ask-80",
        paths: ["delay=40", "delay=40"],
        watch: 1,
        scripts: ["80*(w1000,r1000)", "80*(r1000,w1000),R"],
        gso: true,
        ..TRIPS
    },
    Scenario {
        name: "ask-5-2",
        paths: ["delay=2.5", "delay=2.5"],
        watch: 1,
        scripts: ["900*(w400,r700)", "900*(r400,w700),R"],
        gso: true,
        ..TRIPS
    },
    Scenario {
        name: "ask-loopback-2",
        link: Link::Loopback,
        watch: 1,
        accept: "round_trips|sender_application|unseen",
        scripts: ["20000*(w400,r700)", "20000*(r400,w700),R"],
        gso: true,
        ..TRIPS
    },
    Scenario {
        name: "nagle",
        paths: ["delay=10", "delay=10"],
        watch: 1,
        scripts: ["90*(w100,r900)", "90*(r100,w300,w600),R"],
        options: ["nodelay", ""],
        gso: true,
        ..NAGLE
    },
    Scenario {
        name: "nagle-lan-2",
        link: Link::Veth,
        watch: 1,
        scripts: ["90*(w100,r900)", "90*(r100,w200,w700),R"],
        options: ["nodelay", ""],
        gso: true,
        ..NAGLE
    },
    Scenario {
        name: "nagle-2",
        paths: ["delay=25", "delay=25"],
        watch: 1,
        is_ipv6: true,
        scripts: ["60*(w50,r1500)", "60*(r50,w500,w1000),R"],
        options: ["nodelay", ""],
        gso: true,
        ..NAGLE
    },
    // Growth.
    Scenario { name: "fresh-200", paths: ["delay=100", "delay=100"], watch: 1, scripts: ["R", "w1500000,e"], ..GROWTH },
    Scenario {
        name: "after-idle",
        paths: ["delay=60", "delay=60"],
        watch: 1,
        accept: "window_growth",
        scripts: ["5*(w200,r800000,z1500)", "5*(r200,w800000),R"],
        options: NODELAY,
        ..GROWTH
    },
    Scenario { name: "fresh-2", paths: ["delay=55", "delay=55"], is_ipv6: true, scripts: ["w900000,e", "R"], ..GROWTH },
    Scenario {
        name: "after-idle-2",
        paths: ["delay=40", "delay=40"],
        scripts: ["5*(w600000,r40)", "5*(r600000,z1300,w40),R"],
        options: NODELAY,
        ..GROWTH
    },
    Scenario {
        name: "fresh-many-2",
        paths: ["delay=35,rate=300,queue=2000", "delay=35"],
        scripts: ["w700000,e", "R"],
        watch: 0,
        why: Why::Queue,
        ..GROWTH
    },
    // Stalls.
    Scenario {
        name: "outage",
        accept: "timeout",
        why: Why::Queue,
        paths: [
            "delay=20,rate=12,queue=70,black=1000-2500,black=5000-7000",
            "delay=20,black=1000-2500,black=5000-7000",
        ],
        ..BASE
    },
    Scenario {
        name: "outage-lan-2",
        accept: "timeout",
        why: Why::Unknown,
        paths: ["delay=1,rate=30,queue=100,black=800-2600,black=4000-6500", "delay=1"],
        ..BASE
    },
    Scenario {
        name: "held-2",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=15,rate=10,queue=80", "delay=15,hold=1000-3200,hold=5000-7300"],
        findings: "spurious",
        ..BASE
    },
    Scenario {
        name: "hole",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=20,rate=10,queue=60,hole=1300@1500", "delay=20"],
        scripts: ["b7000", "R"],
        sysctls: &[("net.ipv4.tcp_mtu_probing", "1")],
        findings: "black_hole",
        are_causes_judged: false,
        ..BASE
    },
    Scenario {
        name: "hole-2",
        accept: "timeout",
        why: Why::Unknown,
        paths: ["delay=35,hole=1100@800,rate=6,queue=60", "delay=35"],
        scripts: ["b6000", "R"],
        sysctls: &[("net.ipv4.tcp_mtu_probing", "1")],
        findings: "",
        are_causes_judged: false,
        ..BASE
    },
    Scenario {
        name: "frag",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=20,rate=10,queue=60,frag=1300@1500", "delay=20"],
        findings: "mtu",
        are_causes_judged: false,
        ..BASE
    },
    Scenario {
        name: "single-2",
        accept: "sender_application|timeout|packet_loss",
        why: Why::Unknown,
        paths: ["delay=20,tail=900,tailn=1", "delay=20"],
        scripts: ["12*(w900,z700),e", "R"],
        options: NODELAY,
        ..BASE
    },
    Scenario {
        name: "syn",
        accept: "connecting",
        paths: ["delay=30,synloss=2", "delay=30"],
        scripts: ["40*(w600,z15),e", "R"],
        options: NODELAY,
        why: Why::Unknown,
        ..BASE
    },
    Scenario {
        name: "synack-2",
        accept: "connecting",
        paths: ["delay=30", "delay=30,synloss=1"],
        scripts: ["10*(w600,z10),e", "R"],
        options: NODELAY,
        why: Why::Unknown,
        are_causes_judged: false,
        ..BASE
    },
    // Findings, and what is no limit.
    Scenario {
        name: "reorder",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=20,rate=12,queue=120,reorder=6,rgap=12", "delay=20"],
        findings: "reordering",
        ..BASE
    },
    Scenario {
        name: "reorder-2",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=35,rate=8,queue=100,reorder=3,rgap=25", "delay=35"],
        is_ipv6: true,
        findings: "reordering",
        ..BASE
    },
    Scenario {
        name: "dup-2",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=20,rate=12,queue=80,dup=4", "delay=20"],
        ..BASE
    },
    Scenario {
        name: "reset-unread",
        accept: "",
        why: Why::Unknown,
        paths: ["delay=20", "delay=20"],
        scripts: ["b2000", "r200000,q"],
        findings: "reset",
        ..BASE
    },
    Scenario {
        name: "reset-abort-2",
        accept: "",
        why: Why::Unknown,
        paths: ["delay=20,rate=10,queue=60", "delay=20"],
        scripts: ["b2000,q", "R"],
        options: ["linger0", ""],
        findings: "reset",
        ..BASE
    },
    // Full speed over what has no limit but the machine.
    Scenario {
        name: "loopback-bulk",
        link: Link::Loopback,
        gso: true,
        accept: "sender_application|sender_host|bandwidth|receive_window|receiver_application|unseen|window_growth|mixed",
        why: Why::Unknown,
        scripts: ["b1500,e", "R"],
        ..BASE
    },
    Scenario {
        name: "veth-bulk-2",
        link: Link::Veth,
        gso: true,
        accept: "sender_application|sender_host|bandwidth|receive_window|receiver_application|unseen|window_growth|mixed",
        why: Why::Unknown,
        scripts: ["b1500,e", "R"],
        ..BASE
    },
    // The receiver's socket alone.
    Scenario {
        name: "seen-window",
        is_receiver: true,
        paths: ["delay=40", "delay=40"],
        options: ["", "rcvbuf=32000"],
        ..WINDOW
    },
    Scenario {
        name: "seen-reader-2",
        is_receiver: true,
        paths: ["delay=25", "delay=25"],
        scripts: ["b8000", "k50000/260"],
        options: ["", "rcvbuf=160000"],
        ..READER
    },
    Scenario {
        name: "seen-loss-2",
        is_receiver: true,
        accept: "unseen",
        paths: ["delay=20,loss=2", "delay=20"],
        why: Why::Unknown,
        ..BASE
    },
    // Held out at first; rules were looked at with them since.
    Scenario { name: "queue-3", paths: ["delay=14,rate=11,queue=45", "delay=14"], is_ipv6: true, ..QUEUE },
    Scenario {
        name: "queue-short-3",
        paths: ["delay=24,rate=15,queue=18", "delay=24"],
        options: ["cc=reno", ""],
        ..QUEUE
    },
    Scenario {
        name: "queue-long-3",
        paths: ["delay=7", "delay=7,rate=4,queue=300"],
        watch: 1,
        scripts: ["R", "b7000,e"],
        findings: "bufferbloat",
        ..QUEUE
    },
    Scenario {
        name: "queue-three-3",
        paths: ["delay=22,rate=24,queue=100", "delay=22"],
        others: 2,
        stagger_ms: 700,
        ..QUEUE
    },
    Scenario {
        name: "queue-mark-3",
        paths: ["delay=12,rate=20,queue=200,ce=20", "delay=12"],
        sysctls: &[("net.ipv4.tcp_ecn", "1")],
        findings: "ecn",
        ..QUEUE
    },
    Scenario { name: "queue-jitter-3", paths: ["delay=30,rate=10,queue=90,jitter=0.4", "delay=30,jitter=3"], ..QUEUE },
    Scenario { name: "queue-mtu-3", mtu: Some(1280), paths: ["delay=17,rate=9,queue=70", "delay=17"], ..QUEUE },
    Scenario {
        name: "bbr-3",
        paths: ["delay=45,rate=14,queue=200", "delay=45"],
        options: ["cc=bbr", ""],
        why: Why::Rate,
        scripts: ["b9000,e", "R"],
        ..QUEUE
    },
    Scenario {
        name: "bbr-policer-3",
        accept: "policer|bandwidth",
        paths: ["delay=15,police=9,pburst=100", "delay=15"],
        options: ["cc=bbr", ""],
        why: Why::Unknown,
        ..QUEUE
    },
    Scenario {
        name: "loss-3",
        paths: ["delay=35,loss=1.5", "delay=35"],
        is_ipv6: true,
        scripts: ["b9000,e", "R"],
        ..LOSS
    },
    Scenario { name: "loss-near-3", paths: ["delay=3,loss=4", "delay=3"], scripts: ["b5000,e", "R"], ..LOSS },
    Scenario {
        name: "loss-bursts-3",
        paths: ["delay=25", "delay=25,loss=2,burst=4"],
        watch: 1,
        scripts: ["R", "b9000,e"],
        ..LOSS
    },
    Scenario {
        name: "loss-reno-3",
        paths: ["delay=18,loss=0.4", "delay=18"],
        options: ["cc=reno", ""],
        scripts: ["b9000,e", "R"],
        ..LOSS
    },
    Scenario {
        name: "loss-nosack-3",
        paths: ["delay=22,loss=1", "delay=22"],
        sysctls: &[("net.ipv4.tcp_sack", "0")],
        ..LOSS
    },
    Scenario {
        name: "tail-3",
        paths: ["delay=28,tail=5000,tailn=1", "delay=28"],
        scripts: ["35*(w5000,r40)", "35*(r5000,w40),R"],
        options: NODELAY,
        ..LOSS
    },
    Scenario { name: "policer-6-3", paths: ["delay=16,police=6,pburst=180", "delay=16"], ..POLICER },
    Scenario {
        name: "policer-far-3",
        paths: ["delay=70", "delay=70,police=4,pburst=120"],
        watch: 1,
        scripts: ["R", "b12000,e"],
        ..POLICER
    },
    Scenario { name: "rcvbuf-3", paths: ["delay=65", "delay=65"], options: ["", "rcvbuf=70000"], gso: true, ..WINDOW },
    Scenario {
        name: "rcvbuf-veth-3",
        link: Link::Veth,
        is_ipv6: true,
        gso: true,
        scripts: ["b3000,e", "R"],
        options: ["", "rcvbuf=50000"],
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-local-3",
        link: Link::Loopback,
        gso: true,
        scripts: ["b2000,e", "R"],
        options: ["", "rcvbuf=90000"],
        ..WINDOW
    },
    Scenario {
        name: "unscaled-3",
        paths: ["delay=25", "delay=25"],
        sysctls: &[("net.ipv4.tcp_window_scaling", "0")],
        watch: 1,
        scripts: ["R", "b7000,e"],
        gso: true,
        findings: "unscaled_window",
        ..WINDOW
    },
    Scenario {
        name: "reader-3",
        paths: ["delay=30,rate=25,queue=200", "delay=30"],
        scripts: ["b8000", "k50000/120"],
        why: Why::Queue,
        options: ["", "rcvbuf=120000"],
        ..READER
    },
    Scenario {
        name: "reader-naps-3",
        paths: ["delay=8", "delay=8"],
        scripts: ["b9000", "5*(r3000000,z1300),R"],
        options: ["", "rcvbuf=250000"],
        gso: true,
        ..READER
    },
    Scenario {
        name: "reader-local-3",
        link: Link::Loopback,
        is_ipv6: true,
        gso: true,
        scripts: ["b4000", "k120000/20"],
        ..READER
    },
    Scenario { name: "sndbuf-3", paths: ["delay=55", "delay=55"], options: ["sndbuf=64000", ""], ..BUFFER },
    Scenario {
        name: "sndbuf-near-3",
        paths: ["delay=4", "delay=4"],
        options: ["sndbuf=24000", ""],
        scripts: ["b4000,e", "R"],
        ..BUFFER
    },
    Scenario { name: "paced-3", paths: ["delay=33", "delay=33"], options: ["pace=900000", ""], ..HOST },
    Scenario {
        name: "own-tbf-3",
        accept: "sender_host|bandwidth",
        why: Why::OwnDevice,
        is_ipv6: true,
        paths: ["delay=15", "delay=15"],
        tbf: Some("rate 7mbit burst 10000 limit 150000"),
        gso: true,
        ..BASE
    },
    Scenario { name: "bursts-3", paths: ["delay=30", "delay=30"], scripts: ["40*(w90000,z150),e", "R"], ..PROGRAM },
    Scenario {
        name: "ticks-3",
        paths: ["delay=50", "delay=50"],
        is_ipv6: true,
        scripts: ["300*(w1800,z20),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "thinks-3",
        paths: ["delay=35", "delay=35"],
        watch: 1,
        scripts: ["16*(w900,r30000)", "16*(r900,z350,w30000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "thinks-veth-3",
        link: Link::Veth,
        watch: 1,
        scripts: ["80*(w300,r90000)", "80*(r300,z45,w90000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ask-3",
        paths: ["delay=18", "delay=18"],
        watch: 1,
        is_ipv6: true,
        scripts: ["160*(w200,r1200)", "160*(r200,w1200),R"],
        gso: true,
        ..TRIPS
    },
    Scenario {
        name: "nagle-3",
        paths: ["delay=17", "delay=17"],
        watch: 1,
        scripts: ["80*(w60,r1100)", "80*(r60,w400,w700),R"],
        options: ["nodelay", ""],
        gso: true,
        ..NAGLE
    },
    Scenario { name: "fresh-3", paths: ["delay=75", "delay=75"], watch: 1, scripts: ["R", "w2000000,e"], ..GROWTH },
    Scenario {
        name: "after-idle-3",
        paths: ["delay=50", "delay=50"],
        watch: 1,
        scripts: ["6*(w100,r500000,z1200)", "6*(r100,w500000),R"],
        options: NODELAY,
        ..GROWTH
    },
    Scenario {
        name: "outage-3",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=32,rate=8,queue=60,black=1500-3600,black=6000-8500", "delay=32"],
        scripts: ["b10000,e", "R"],
        ..BASE
    },
    Scenario {
        name: "held-3",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=25,rate=14,queue=90", "delay=25,hold=1500-4300,hold=6000-8700"],
        scripts: ["b9000,e", "R"],
        findings: "spurious",
        ..BASE
    },
    Scenario {
        name: "syn-3",
        accept: "connecting",
        paths: ["delay=60,synloss=3", "delay=60"],
        scripts: ["60*(w500,z20),e", "R"],
        options: NODELAY,
        why: Why::Unknown,
        ..BASE
    },
    Scenario {
        name: "reorder-3",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=25,rate=16,queue=140,reorder=5,rgap=18", "delay=25"],
        findings: "reordering",
        ..BASE
    },
    Scenario {
        name: "seen-reader-3",
        is_receiver: true,
        paths: ["delay=15", "delay=15"],
        scripts: ["b7000", "k70000/220"],
        options: ["", "rcvbuf=180000"],
        ..READER
    },
    Scenario {
        name: "seen-window-3",
        is_receiver: true,
        paths: ["delay=55", "delay=55"],
        options: ["", "rcvbuf=48000"],
        gso: true,
        ..WINDOW
    },
    // Held out the second time.
    Scenario { name: "queue-tiny-4", paths: ["delay=30,rate=6,queue=10", "delay=30"], ..QUEUE },
    Scenario {
        name: "queue-shallow-reno-4",
        paths: ["delay=12,rate=30,queue=20", "delay=12"],
        options: ["cc=reno", ""],
        ..QUEUE
    },
    Scenario {
        name: "queue-shallow-far-4",
        paths: ["delay=80,rate=10,queue=30", "delay=80"],
        scripts: ["b12000,e", "R"],
        ..QUEUE
    },
    Scenario { name: "queue-gso-4", paths: ["delay=22,rate=25,queue=80", "delay=22"], gso: true, ..QUEUE },
    Scenario {
        name: "queue-satellite-4",
        paths: ["delay=300", "delay=300,rate=4,queue=150"],
        watch: 1,
        scripts: ["R", "b15000,e"],
        ..QUEUE
    },
    Scenario {
        name: "queue-mark-2-4",
        paths: ["delay=28,rate=13,queue=250,ce=12", "delay=28"],
        sysctls: &[("net.ipv4.tcp_ecn", "1")],
        findings: "ecn",
        ..QUEUE
    },
    Scenario { name: "queue-jumbo-4", mtu: Some(9000), paths: ["delay=10,rate=60,queue=40", "delay=10"], ..QUEUE },
    Scenario { name: "queue-mss-4", mtu: Some(576), paths: ["delay=15,rate=3,queue=60", "delay=15"], ..QUEUE },
    Scenario { name: "queue-slower-4", paths: ["delay=16,rate=18,queue=90,@3500:rate=5", "delay=16"], ..QUEUE },
    Scenario {
        name: "queue-acks-4",
        paths: ["delay=24,rate=12,queue=80", "delay=24,jitter=10"],
        is_ipv6: true,
        ..QUEUE
    },
    Scenario {
        name: "bbr-loss-4",
        paths: ["delay=26,rate=15,queue=60,loss=3", "delay=26"],
        options: ["cc=bbr", ""],
        why: Why::Rate,
        ..QUEUE
    },
    Scenario { name: "bbr-window-4", paths: ["delay=30", "delay=30"], options: ["cc=bbr", "rcvbuf=40000"], ..WINDOW },
    Scenario {
        name: "bbr-ticks-4",
        paths: ["delay=20", "delay=20"],
        options: ["cc=bbr nodelay", ""],
        scripts: ["500*(w3000,z12),e", "R"],
        ..PROGRAM
    },
    Scenario { name: "loss-gso-4", paths: ["delay=21,loss=1", "delay=21"], gso: true, ..LOSS },
    Scenario { name: "loss-thin-4", paths: ["delay=11,loss=0.25", "delay=11"], scripts: ["b9000,e", "R"], ..LOSS },
    Scenario {
        name: "loss-long-4",
        paths: ["delay=140", "delay=140,loss=1"],
        watch: 1,
        scripts: ["R", "b14000,e"],
        ..LOSS
    },
    Scenario {
        name: "loss-jitter-4",
        paths: ["delay=30,loss=1.5,jitter=0.3", "delay=30,jitter=2"],
        options: ["cc=reno", ""],
        ..LOSS
    },
    Scenario { name: "loss-mtu-4", mtu: Some(1280), is_ipv6: true, paths: ["delay=8,loss=2.5", "delay=8"], ..LOSS },
    Scenario { name: "policer-gso-4", gso: true, paths: ["delay=25,police=10,pburst=70", "delay=25"], ..POLICER },
    Scenario {
        name: "policer-reno-4",
        paths: ["delay=20,police=4,pburst=300", "delay=20"],
        options: ["cc=reno", ""],
        scripts: ["b12000,e", "R"],
        ..POLICER
    },
    Scenario { name: "policer-near-4", paths: ["delay=4,police=12,pburst=80", "delay=4"], ..POLICER },
    Scenario {
        name: "rcvbuf-far-4",
        paths: ["delay=150", "delay=150"],
        options: ["", "rcvbuf=120000"],
        gso: true,
        scripts: ["b9000,e", "R"],
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-local-4",
        link: Link::Loopback,
        is_ipv6: true,
        gso: true,
        scripts: ["b2500,e", "R"],
        options: ["", "rcvbuf=65000"],
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-veth-4",
        link: Link::Veth,
        scripts: ["b2500,e", "R"],
        options: ["", "rcvbuf=12000"],
        ..WINDOW
    },
    Scenario {
        name: "rcvbuf-loss-4",
        paths: ["delay=28,loss=0.05", "delay=28"],
        options: ["", "rcvbuf=45000"],
        ..WINDOW
    },
    Scenario {
        name: "rmem-cap-4",
        paths: ["delay=45", "delay=45"],
        sysctls: &[("net.ipv4.tcp_rmem", "4096 65536 200000")],
        watch: 1,
        scripts: ["R", "b7000,e"],
        ..WINDOW
    },
    Scenario {
        name: "reader-rate-4",
        paths: ["delay=12", "delay=12"],
        scripts: ["b8000", "k125000/100"],
        gso: true,
        ..READER
    },
    Scenario {
        name: "reader-pauses-4",
        paths: ["delay=20", "delay=20"],
        scripts: ["b9000", "9*(r600000,z800),R"],
        is_ipv6: true,
        ..READER
    },
    Scenario {
        name: "reader-stops-4",
        paths: ["delay=18", "delay=18"],
        scripts: ["w6000000", "r100000,z5000,R"],
        gso: true,
        ..READER
    },
    Scenario {
        name: "reader-near-4",
        link: Link::Veth,
        scripts: ["b4000", "k60000/25"],
        options: ["", "rcvbuf=80000"],
        ..READER
    },
    Scenario {
        name: "sndbuf-far-4",
        paths: ["delay=90", "delay=90"],
        options: ["sndbuf=50000", ""],
        scripts: ["b9000,e", "R"],
        ..BUFFER
    },
    Scenario {
        name: "wmem-cap-4",
        paths: ["delay=35", "delay=35"],
        is_ipv6: true,
        sysctls: &[("net.ipv4.tcp_wmem", "4096 16384 100000")],
        ..BUFFER
    },
    Scenario { name: "paced-gso-4", paths: ["delay=40", "delay=40"], options: ["pace=2500000", ""], gso: true, ..HOST },
    Scenario {
        name: "own-tbf-veth-4",
        accept: "sender_host|bandwidth",
        why: Why::OwnDevice,
        link: Link::Veth,
        tbf: Some("rate 8mbit burst 6000 limit 60000"),
        ..BASE
    },
    Scenario {
        name: "bursts-far-4",
        paths: ["delay=120", "delay=120"],
        scripts: ["16*(w40000,z500),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ticks-near-4",
        paths: ["delay=8", "delay=8"],
        scripts: ["220*(w5000,z35),e", "R"],
        gso: true,
        ..PROGRAM
    },
    Scenario { name: "ticks-local-4", link: Link::Loopback, scripts: ["800*(w9000,z8),e", "R"], gso: true, ..PROGRAM },
    Scenario {
        name: "thinks-far-4",
        paths: ["delay=80", "delay=80"],
        watch: 1,
        scripts: ["12*(w250,r8000)", "12*(r250,z500,w8000),R"],
        ..PROGRAM
    },
    Scenario {
        name: "ask-far-4",
        paths: ["delay=110", "delay=110"],
        watch: 1,
        scripts: ["40*(w300,r2500)", "40*(r300,w2500),R"],
        ..TRIPS
    },
    Scenario {
        name: "ask-client-4",
        paths: ["delay=9", "delay=9"],
        scripts: ["300*(w700,r200),e", "300*(r700,w200),R"],
        ..TRIPS
    },
    Scenario {
        name: "nagle-far-4",
        paths: ["delay=40", "delay=40"],
        watch: 1,
        scripts: ["50*(w80,r700)", "50*(r80,w150,w550),R"],
        options: ["nodelay", ""],
        ..NAGLE
    },
    Scenario {
        name: "fresh-far-4",
        paths: ["delay=140", "delay=140"],
        watch: 1,
        scripts: ["R", "w900000,e"],
        ..GROWTH
    },
    Scenario {
        name: "after-idle-near-4",
        paths: ["delay=28", "delay=28"],
        watch: 1,
        is_ipv6: true,
        scripts: ["5*(w150,r900000,z1800)", "5*(r150,w900000),R"],
        options: NODELAY,
        ..GROWTH
    },
    Scenario {
        name: "outage-far-4",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=70,rate=9,queue=90,black=2000-4800,black=7500-10000", "delay=70"],
        scripts: ["b12000,e", "R"],
        ..BASE
    },
    Scenario {
        name: "outage-near-4",
        accept: "timeout",
        why: Why::Queue,
        paths: ["delay=4,rate=12,queue=60", "delay=4,black=1000-2900,black=4000-6200"],
        ..BASE
    },
    Scenario {
        name: "syn-v6-4",
        accept: "connecting",
        is_ipv6: true,
        paths: ["delay=20,synloss=2", "delay=20"],
        scripts: ["w300000,e", "R"],
        why: Why::Unknown,
        ..BASE
    },
    Scenario {
        name: "reorder-far-4",
        accept: "bandwidth",
        why: Why::Queue,
        paths: ["delay=50,rate=10,queue=120,reorder=4,rgap=30", "delay=50"],
        findings: "reordering",
        ..BASE
    },
    Scenario {
        name: "seen-rmem-4",
        is_receiver: true,
        paths: ["delay=70", "delay=70"],
        sysctls: &[("net.ipv4.tcp_rmem", "4096 60000 120000")],
        gso: true,
        ..WINDOW
    },
    Scenario {
        name: "seen-queue-4",
        is_receiver: true,
        accept: "unseen",
        paths: ["delay=25,rate=9,queue=70", "delay=25"],
        why: Why::Unknown,
        ..BASE
    },
    // Held out.
    Scenario {
        name: "queue-thin+",
        paths: ["delay=45,rate=7,queue=16", "delay=45"],
        scripts: ["b9000,e", "R"],
        ..QUEUE
    },
    Scenario {
        name: "queue-shallow+",
        paths: ["delay=33", "delay=33,rate=18,queue=24"],
        watch: 1,
        is_ipv6: true,
        scripts: ["R", "b8000,e"],
        ..QUEUE
    },
    Scenario { name: "queue-small-mtu+", mtu: Some(620), paths: ["delay=25,rate=5,queue=80", "delay=25"], ..QUEUE },
    Scenario {
        name: "queue-slow+",
        paths: ["delay=220,rate=6,queue=200", "delay=220"],
        scripts: ["b14000,e", "R"],
        ..QUEUE
    },
    Scenario {
        name: "queue-marks+",
        paths: ["delay=40,rate=10,queue=300,ce=18", "delay=40"],
        sysctls: &[("net.ipv4.tcp_ecn", "1")],
        findings: "ecn",
        ..QUEUE
    },
    Scenario { name: "loss-far+", paths: ["delay=110,loss=0.6", "delay=110"], scripts: ["b12000,e", "R"], ..LOSS },
    Scenario { name: "loss-wide+", paths: ["delay=14,loss=3,rate=50,queue=300", "delay=14"], ..LOSS },
    Scenario {
        name: "tails+",
        paths: ["delay=24,tail=7000,tailn=1", "delay=24"],
        scripts: ["30*(w7000,r40)", "30*(r7000,w40),R"],
        options: NODELAY,
        ..LOSS
    },
    Scenario {
        name: "policer-long+",
        paths: ["delay=60,police=7,pburst=150", "delay=60"],
        scripts: ["b12000,e", "R"],
        ..POLICER
    },
    Scenario {
        name: "policer-v6+",
        gso: true,
        is_ipv6: true,
        paths: ["delay=12,police=5,pburst=50", "delay=12"],
        ..POLICER
    },
    Scenario { name: "rcvbuf-way+", paths: ["delay=95", "delay=95"], options: ["", "rcvbuf=56000"], ..WINDOW },
    Scenario {
        name: "rcvbuf-self+",
        link: Link::Loopback,
        gso: true,
        scripts: ["b2000,e", "R"],
        options: ["", "rcvbuf=50000"],
        ..WINDOW
    },
    Scenario {
        name: "reader-clock+",
        link: Link::Veth,
        gso: true,
        scripts: ["b4000", "k90000/40"],
        options: ["", "rcvbuf=110000"],
        ..READER
    },
    Scenario {
        name: "reader-long+",
        paths: ["delay=50", "delay=50"],
        scripts: ["b9000", "k60000/150"],
        gso: true,
        ..READER
    },
    Scenario {
        name: "sndbuf-way+",
        paths: ["delay=70", "delay=70"],
        is_ipv6: true,
        options: ["sndbuf=36000", ""],
        scripts: ["b8000,e", "R"],
        ..BUFFER
    },
    Scenario { name: "paced-way+", paths: ["delay=28", "delay=28"], options: ["pace=400000", ""], ..HOST },
    Scenario { name: "bursts-way+", paths: ["delay=75", "delay=75"], scripts: ["18*(w60000,z400),e", "R"], ..PROGRAM },
    Scenario {
        name: "thinks-self+",
        link: Link::Loopback,
        watch: 1,
        scripts: ["40*(w500,r120000)", "40*(r500,z90,w120000),R"],
        gso: true,
        ..PROGRAM
    },
    Scenario {
        name: "ask-way+",
        paths: ["delay=60", "delay=60"],
        watch: 1,
        scripts: ["50*(w600,r1300)", "50*(r600,w1300),R"],
        ..TRIPS
    },
    Scenario { name: "fresh-way+", paths: ["delay=95", "delay=95"], watch: 1, scripts: ["R", "w1200000,e"], ..GROWTH },
    Scenario {
        name: "outage-way+",
        accept: "timeout",
        why: Why::Queue,
        paths: [
            "delay=12,rate=15,queue=80,black=1200-3300,black=4800-7200",
            "delay=12,black=1200-3300,black=4800-7200",
        ],
        ..BASE
    },
    Scenario {
        name: "seen-reader+",
        is_receiver: true,
        paths: ["delay=22", "delay=22"],
        scripts: ["b7000", "k90000/300"],
        options: ["", "rcvbuf=140000"],
        ..READER
    },
];
