//! Replies of sock_diag as they come from a netlink socket, one behind the other.

use tcpprobe::event::{Event, EventReader, Socket, tcp_info};
use tcpprobe::kernel::inet_diag::{Reply, TCP_INFO, replies};

/// Lengths of tcp_info that kernels give.
const LENGTHS: [usize; 4] = [192, 232, 248, 280];

pub fn run(input: &[u8]) {
    let found: Vec<Reply<'_>> = replies(input).collect();
    // Every message has a head, and only what ends them may have less.
    assert!(found.len() <= input.len().div_ceil(16));
    for reply in &found {
        let Reply::Socket { socket: said, .. } = reply else { continue };
        let skaddr = 0;
        let socket = Socket { family: said.family, local: said.local, peer: said.peer, cookie: said.cookie, skaddr };
        for length in LENGTHS {
            let format = tcp_info::format(length).expect("it is a format");
            let asked = tcp_info::record(&socket, said, length, 1);
            let last = said.info.and_then(|info| tcp_info::final_record(&socket, info, length, 1));
            assert!(asked.is_none() || last.is_some(), "a final one takes less");
            for record in [asked, last].into_iter().flatten() {
                assert_eq!(record.len(), format.record_size());
                let Some(Event::TcpInfo(event)) = EventReader::new(&format).read(&record) else {
                    panic!("it has a type")
                };
                assert_eq!(event.socket, socket);
                let info = said.info.expect("a record is made of it");
                for (name, ..) in TCP_INFO {
                    let told = format.field(name).map(|field| field.unsigned(&record));
                    assert!(told.is_none_or(|value| value == info.get(name)), "{name}");
                }
            }
        }
    }
}
