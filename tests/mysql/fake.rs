//! A server that speaks just enough of the protocol to be let in by and asked who it is, for those that cannot be had in a
//! test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Be a server of this version on the port that is returned. The thread ends with the test's process.
pub(crate) fn serve(version: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One that breaks off is of no interest.
            std::thread::spawn(move || session(&mut stream, version));
        }
    });
    port
}

fn session(stream: &mut TcpStream, version: &str) -> std::io::Result<()> {
    const QUERY: u8 = 3;
    send(stream, 0, &greeting(version))?;
    let (number, _) = receive(stream)?;
    send(stream, number + 1, &[0, 0, 0, 2, 0, 0, 0])?;
    loop {
        let (_, command) = receive(stream)?;
        if command.first() != Some(&QUERY) {
            return Ok(());
        }
        let query = String::from_utf8_lossy(&command[1..]).into_owned();
        let values: Vec<String> = query
            .trim_start_matches("SELECT")
            .split(',')
            .map(|asked| match asked.trim() {
                "@@version" => version.to_owned(),
                "DATABASE()" => "app".to_owned(),
                "CURRENT_USER()" => "root@%".to_owned(),
                "@@SESSION.sql_mode" => String::new(),
                "@@hostname" => "fake".to_owned(),
                // Some number, of bytes or of seconds.
                _ => "1048576".to_owned(),
            })
            .collect();
        answer(stream, &values)?;
    }
}

/// Protocol::HandshakeV10, without TLS.
fn greeting(version: &str) -> Vec<u8> {
    // LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION; MULTI_STATEMENTS,
    // MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH.
    let (low, high) = (0xa20d_u16, 0x000f_u16);
    let mut packet = vec![10];
    packet.extend(version.as_bytes());
    packet.extend([0, 1, 0, 0, 0]);
    packet.extend(b"12345678\0");
    packet.extend(low.to_le_bytes());
    packet.extend([45, 2, 0]);
    packet.extend(high.to_le_bytes());
    packet.push(21);
    packet.extend([0; 10]);
    packet.extend(b"123456789012\0mysql_native_password\0");
    packet
}

fn receive(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    Ok((header[3], payload))
}

fn send(stream: &mut TcpStream, number: u8, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], number];
    packet.extend(payload);
    stream.write_all(&packet)
}

/// One row of strings, each shorter than 251 bytes.
fn answer(stream: &mut TcpStream, values: &[String]) -> std::io::Result<()> {
    const END: [u8; 5] = [0xfe, 0, 0, 2, 0];
    let short = |text: &[u8]| {
        let mut bytes = vec![u8::try_from(text.len()).unwrap()];
        bytes.extend(text);
        bytes
    };
    let mut packets = vec![vec![u8::try_from(values.len()).unwrap()]];
    for _ in values {
        let mut column = short(b"def");
        column.extend([0, 0, 0]);
        column.extend(short(b"c"));
        column.push(0);
        // utf8mb4, some length, VAR_STRING.
        column.extend([12, 45, 0, 0, 1, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
        packets.push(column);
    }
    packets.push(END.to_vec());
    packets.push(
        values
            .iter()
            .flat_map(|value| short(value.as_bytes()))
            .collect(),
    );
    packets.push(END.to_vec());
    for (number, packet) in (1..).zip(&packets) {
        send(stream, number, packet)?;
    }
    Ok(())
}
