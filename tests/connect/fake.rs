//! Servers that are not as they should be, for the few things that a real one cannot be made to say in a test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answer every connection by `answer`, and return the port. The thread ends with the test's process.
pub(crate) fn serve(answer: impl Fn(&mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&mut stream.unwrap());
        }
    });
    port
}

/// Read the start-up message, saying no to TLS before it. `false` when the client has gone.
pub(crate) fn greet(stream: &mut TcpStream) -> bool {
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return false;
        }
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut rest).unwrap();
        // 80877103: the request for TLS.
        if rest[..4] != 80_877_103_u32.to_be_bytes() {
            return true;
        }
        stream.write_all(b"N").unwrap();
    }
}

/// One message of the protocol.
pub(crate) fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) {
    let mut message = vec![kind];
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body);
    stream.write_all(&message).unwrap();
}

/// An error that ends the session.
pub(crate) fn fail(stream: &mut TcpStream, code: &str, message: &str) {
    if greet(stream) {
        let body = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
        send(stream, b'E', body.as_bytes());
    }
}

/// Let the client in, and answer its first query with one row.
pub(crate) fn answer_query(stream: &mut TcpStream, values: &[&str]) {
    if !greet(stream) {
        return;
    }
    send(stream, b'R', &0_u32.to_be_bytes());
    send(stream, b'Z', b"I");
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    let mut query = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
    stream.read_exact(&mut query).unwrap();
    let count = u16::try_from(values.len()).unwrap().to_be_bytes();
    let (mut columns, mut row) = (count.to_vec(), count.to_vec());
    for value in values {
        columns.extend(b"c\0");
        columns.extend([0; 18]);
        row.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        row.extend(value.as_bytes());
    }
    send(stream, b'T', &columns);
    send(stream, b'D', &row);
    send(stream, b'C', b"SELECT 1\0");
    send(stream, b'Z', b"I");
    // Until the client goes: an end of the stream would overtake the answer.
    let _ = stream.read_to_end(&mut vec![]);
}
