//! HTTP/2 (RFC 9113) by hand, for what no client would send.

/// What a client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame, whatever is in it.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a request in HPACK (RFC 7541): POST and http of its static table, the rest in words.
pub fn request(path: &str) -> Vec<u8> {
    let fields = [(":path", path), (":authority", "a"), ("content-type", "application/grpc"), ("te", "trailers")];
    fields.iter().fold(vec![0x83, 0x86], |block, (name, value)| [block, field(name, value)].concat())
}

/// A field in words.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}
