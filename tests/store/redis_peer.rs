//! A server that speaks the protocol of Redis, and answers what a test says.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use tower_oauth2_client_credentials::store::{RedisStore, RedisStoreBuilder};

/// The answer of a script that finds no entry.
pub(crate) const NO_ENTRY: &str = "*0\r\n";

/// Answers commands, and counts the round trips. It ends with its connections.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    flights: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// `answer` gets the number of the connection, from 1, and the name of a command. On `None` the
    /// connection stays open, and nothing is answered.
    pub(crate) fn start(
        answer: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let flights = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), Arc::clone(&flights));
        thread::spawn(move || {
            for number in 1.. {
                let Ok((stream, _)) = listener.accept() else { return };
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                thread::spawn(move || serve(stream, &all, |command| answer(number, command)));
            }
        });
        Self { address, flights }
    }

    /// A peer of which all scripts find no entry. `evalsha` is the answer to scripts by their hash.
    pub(crate) fn empty(evalsha: &'static str) -> Self {
        Self::start(move |_, command| Some(working(command, evalsha)))
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(format!("redis://{}", self.address))
    }

    /// The commands that were sent without waiting for an answer in between, since the last call.
    pub(crate) fn take_flights(&self) -> Vec<String> {
        std::mem::take(&mut self.flights.lock().unwrap())
    }
}

/// The answer of a Redis that works.
pub(crate) fn working(command: &str, evalsha: &str) -> String {
    match command {
        "HELLO" => "%1\r\n+proto\r\n:3\r\n",
        "PING" => "+PONG\r\n",
        "EVAL" => NO_ENTRY,
        "EVALSHA" => evalsha,
        _ => "+OK\r\n",
    }
    .to_owned()
}

fn serve(
    mut stream: TcpStream,
    flights: &Mutex<Vec<String>>,
    answer: impl Fn(&str) -> Option<String>,
) {
    let (mut received, mut chunk, mut is_silent) = (Vec::new(), [0; 16 * 1024], false);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..length]);
        let (mut names, mut answers) = (Vec::new(), String::new());
        while let Some((name, length)) = command(&received) {
            received.drain(..length);
            match answer(&name) {
                Some(text) if !is_silent => answers += &text,
                _ => is_silent = true,
            }
            names.push(name);
        }
        if !names.is_empty() {
            flights.lock().unwrap().push(names.join(" "));
        }
        let _ = stream.write_all(answers.as_bytes());
    }
}

/// The name of the first command, and its length. `None`: it is not complete.
fn command(received: &[u8]) -> Option<(String, usize)> {
    fn number(received: &[u8], at: &mut usize) -> Option<usize> {
        let rest = &received[*at..];
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        *at += end + 2;
        Some(std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap())
    }
    let (mut at, mut name) = (0, None);
    for _ in 0..number(received, &mut at)? {
        let length = number(received, &mut at)?;
        let word = received.get(at..at + length + 2)?;
        name.get_or_insert_with(|| String::from_utf8(word[..length].to_vec()).unwrap());
        at += length + 2;
    }
    Some((name?, at))
}
