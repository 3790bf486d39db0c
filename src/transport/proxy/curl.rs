//! Compares the choice of a proxy with that of the installed curl. All traffic stays on loopback: the
//! proxies are listeners there, and `--connect-to` directs curl's direct connections to another one.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use super::{Proxies, tests::read};

const HTTP: &str = "http://a.test/";
const HTTPS: &str = "https://a.test/";
const V4: &str = "http://10.2.3.4/";
const V6: &str = "http://[2001:db8::1]/";

/// Variables, in which `A` and `B` between braces are addresses of proxies, and a destination.
type Case = (&'static [(&'static str, &'static str)], &'static str);

const P: &str = "http://{A}";

/// Cases in which both must choose the same.
const SAME: &[Case] = &[
    // Names and their case.
    (&[], HTTP),
    (&[], HTTPS),
    (&[("http_proxy", P)], HTTP),
    (&[("http_proxy", P)], HTTPS),
    (&[("https_proxy", P)], HTTP),
    (&[("https_proxy", P)], HTTPS),
    (&[("HTTPS_PROXY", P)], HTTPS),
    (&[("all_proxy", P)], HTTP),
    (&[("all_proxy", P)], HTTPS),
    (&[("ALL_PROXY", P)], HTTP),
    (&[("ALL_PROXY", P)], HTTPS),
    (&[("Http_Proxy", P)], HTTP),
    (&[("Https_Proxy", P)], HTTPS),
    (&[("HTTPS_proxy", P)], HTTPS),
    (&[("proxy", P)], HTTP),
    // Which of several.
    (&[("https_proxy", P), ("HTTPS_PROXY", "http://{B}")], HTTPS),
    (&[("all_proxy", P), ("ALL_PROXY", "http://{B}")], HTTPS),
    (&[("all_proxy", P), ("http_proxy", "http://{B}")], HTTP),
    (&[("all_proxy", P), ("http_proxy", "http://{B}")], HTTPS),
    (&[("ALL_PROXY", P), ("HTTPS_PROXY", "http://{B}")], HTTPS),
    (&[("http_proxy", P), ("https_proxy", "http://{B}")], HTTP),
    (&[("http_proxy", P), ("https_proxy", "http://{B}")], HTTPS),
    // Empty values.
    (&[("http_proxy", "")], HTTP),
    (&[("https_proxy", ""), ("HTTPS_PROXY", P)], HTTPS),
    (&[("https_proxy", P), ("HTTPS_PROXY", "")], HTTPS),
    (&[("https_proxy", ""), ("all_proxy", P)], HTTPS),
    (&[("all_proxy", ""), ("ALL_PROXY", P)], HTTPS),
    (&[("http_proxy", P), ("no_proxy", "")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ""), ("NO_PROXY", "a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test"), ("NO_PROXY", "a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test"), ("NO_PROXY", "b.test")], HTTP),
    // Names in `NO_PROXY`.
    (&[("http_proxy", P), ("no_proxy", "a.test")], HTTP),
    (&[("http_proxy", P), ("NO_PROXY", "a.test")], HTTP),
    (&[("https_proxy", P), ("NO_PROXY", "a.test")], HTTPS),
    (&[("all_proxy", P), ("NO_PROXY", "a.test")], HTTPS),
    (&[("http_proxy", P), ("no_proxy", "A.TEST")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test")], "http://A.Test/"),
    (&[("http_proxy", P), ("no_proxy", "a.test")], "http://b.a.test/"),
    (&[("http_proxy", P), ("no_proxy", "a.test")], "http://ba.test/"),
    (&[("http_proxy", P), ("no_proxy", "a.test")], "http://a.test:8080/"),
    (&[("http_proxy", P), ("no_proxy", "b.a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ".a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ".a.test")], "http://b.a.test/"),
    (&[("http_proxy", P), ("no_proxy", "..a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test.")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test")], "http://a.test./"),
    (&[("http_proxy", P), ("no_proxy", "test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "est")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "*.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test:80")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "http://a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ".")], HTTP),
    // Separators and the asterisk.
    (&[("http_proxy", P), ("no_proxy", "b.test,a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test, a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "a.test b.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test\ta.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test\na.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "b.test;a.test")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ",,b.test , ,a.test,")], HTTP),
    (&[("http_proxy", P), ("no_proxy", ",")], HTTP),
    (&[("http_proxy", P), ("no_proxy", " ")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "*")], HTTP),
    (&[("https_proxy", P), ("no_proxy", "*")], HTTPS),
    (&[("http_proxy", P), ("no_proxy", " *")], HTTP),
    (&[("http_proxy", P), ("no_proxy", "*,b.test")], HTTP),
    (&[("http_proxy", "bad url"), ("no_proxy", "*")], HTTP),
    // Addresses in `NO_PROXY`.
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.5")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.0.0.0/8")], V4),
    (&[("http_proxy", P), ("no_proxy", "b.test 10.0.0.0/8")], V4),
    (&[("http_proxy", P), ("no_proxy", "11.0.0.0/8")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.5/31")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.6/31")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4/32")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4/33")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.0.0.0/0")], V4),
    (&[("http_proxy", P), ("no_proxy", "0.0.0.0/0")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4/")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.0.0.0/+8")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.0.0.0/-8")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.0.0.0/8x")], V4),
    (&[("http_proxy", P), ("no_proxy", "3.4")], V4),
    (&[("http_proxy", P), ("no_proxy", ".10.2.3.4")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4.")], V4),
    (&[("http_proxy", P), ("no_proxy", "10.2.3.4:80")], V4),
    (&[("http_proxy", P), ("no_proxy", "2001:db8::1")], V6),
    (&[("http_proxy", P), ("no_proxy", "2001:DB8::1")], V6),
    (&[("http_proxy", P), ("no_proxy", "2001:db8::1")], "http://[2001:db8:0::1]/"),
    (&[("http_proxy", P), ("no_proxy", "2001:db8:0::1")], V6),
    (&[("http_proxy", P), ("no_proxy", "[2001:db8::1]")], V6),
    (&[("http_proxy", P), ("no_proxy", "2001:db8::/32")], V6),
    (&[("http_proxy", P), ("no_proxy", "::/0")], V6),
    // Forms of the URL.
    (&[("http_proxy", "{A}")], HTTP),
    (&[("http_proxy", "HTTP://{A}/")], HTTP),
    (&[("http_proxy", "http://{A}/path?query#fragment")], HTTP),
    (&[("http_proxy", "http:/{A}")], HTTP),
    (&[("http_proxy", "http:///{A}")], HTTP),
    (&[("http_proxy", "http://{HOST}")], HTTP),
    (&[("http_proxy", "{HOST}")], HTTP),
    (&[("http_proxy", "http://{HOST}:")], HTTP),
    (&[("https_proxy", "https://{A}")], HTTPS),
    (&[("http_proxy", "https://{A}")], HTTP),
    // User and password.
    (&[("http_proxy", "http://u:p@{A}")], HTTP),
    (&[("https_proxy", "http://u:p@{A}")], HTTPS),
    (&[("http_proxy", "u:p@{A}")], HTTP),
    (&[("http_proxy", "http://u@{A}")], HTTP),
    (&[("http_proxy", "http://u:@{A}")], HTTP),
    (&[("http_proxy", "http://:p@{A}")], HTTP),
    (&[("http_proxy", "http://@{A}")], HTTP),
    (&[("http_proxy", "http://u:p:q@{A}")], HTTP),
    (&[("http_proxy", "http://u%20x:p%40%2F%3a@{A}")], HTTP),
    (&[("http_proxy", "http://u:p%zz@{A}")], HTTP),
    (&[("http_proxy", "http://u:p+%C3%BC@{A}")], HTTP),
    // What neither takes.
    (&[("http_proxy", "http://u:p@ss@{A}")], HTTP),
    (&[("http_proxy", "http://u:p/ss@{A}")], HTTP),
    (&[("http_proxy", "http://u:p ss@{A}")], HTTP),
    (&[("http_proxy", "\"http://{A}\"")], HTTP),
    (&[("http_proxy", "'http://{A}'")], HTTP),
    (&[("http_proxy", " http://{A}")], HTTP),
    (&[("http_proxy", "http://{A}\n")], HTTP),
    (&[("http_proxy", "//{A}")], HTTP),
    (&[("http_proxy", "{HOST}:")], HTTP),
    (&[("http_proxy", "http://{HOST}:99999")], HTTP),
    (&[("http_proxy", "ftp://{A}")], HTTP),
    (&[("https_proxy", " "), ("all_proxy", P)], HTTPS),
];

/// Where this crate differs, and why.
const EXCEPTIONS: &[(&str, Case)] = &[
    ("loopback is reached directly", (&[("http_proxy", P)], "http://127.0.0.1/")),
    ("loopback is reached directly", (&[("http_proxy", P)], "http://localhost/")),
    ("loopback is reached directly", (&[("https_proxy", P)], "https://[::1]/")),
    ("HTTP_PROXY counts outside CGI", (&[("HTTP_PROXY", P)], HTTP)),
    ("HTTP_PROXY counts outside CGI", (&[("HTTP_PROXY", P), ("all_proxy", "http://{B}")], HTTP)),
    ("a malformed URL is an error, not a detour", (&[("http_proxy", "http://u:p%0a@{A}")], HTTP)),
    ("an ambiguous user is an error", (&[("http_proxy", "http://{A}/?u:p@b.test")], HTTP)),
    ("an ambiguous user is an error", (&[("http_proxy", "http://u%3Ax:p@{A}")], HTTP)),
    (
        "numeric hosts are names",
        (&[("http_proxy", P), ("no_proxy", "10.2.3.4")], "http://0x0a020304/"),
    ),
];

/// Where a request went, with the credentials for the proxy.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    Direct,
    Proxy(SocketAddr, Option<String>),
    Error,
}

struct Listeners {
    origin: SocketAddr,
    a: SocketAddr,
    b: SocketAddr,
    /// At curl's default port for proxies, on a separate loopback address.
    default_port: SocketAddr,
    seen: Receiver<(SocketAddr, String)>,
}

impl Listeners {
    fn start() -> Self {
        let (sender, seen) = channel();
        let listen = |address: &str| {
            let listener = TcpListener::bind(address).expect("a free address on loopback");
            let address = listener.local_addr().unwrap();
            let sender = sender.clone();
            thread::spawn(move || answer(&listener, address, &sender));
            address
        };
        let local = "127.0.0.1:0";
        let (origin, a, b) = (listen(local), listen(local), listen(local));
        Self { origin, a, b, default_port: listen("127.11.80.1:1080"), seen }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{A}", &self.a.to_string())
            .replace("{B}", &self.b.to_string())
            .replace("{HOST}", &self.default_port.ip().to_string())
    }

    fn curl(&self, vars: &[(&str, String)], url: &str) -> Choice {
        while self.seen.try_recv().is_ok() {}
        let status = Command::new("curl")
            .args(["-q", "-s", "--insecure", "--max-time", "10", "--output", "/dev/null"])
            .arg("--connect-to")
            .arg(format!("::{}", self.origin))
            .arg(url)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(vars.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("curl is installed");
        match self.seen.try_recv() {
            Ok((at, _)) if at == self.origin => Choice::Direct,
            Ok((at, head)) => Choice::Proxy(at, credentials(&head)),
            Err(_) => {
                assert!(!status.success(), "curl succeeded without a connection");
                Choice::Error
            }
        }
    }

    /// By this crate.
    fn ours(&self, vars: &[(&str, String)], url: &str) -> Choice {
        let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let Ok(proxies) = read(&vars) else { return Choice::Error };
        let uri: http::Uri = url.parse().unwrap();
        select(&proxies, &uri)
    }
}

fn select(proxies: &Proxies, uri: &http::Uri) -> Choice {
    let is_https = uri.scheme_str() == Some("https");
    let Some(server) = proxies.select(is_https, uri.host().unwrap()) else {
        return Choice::Direct;
    };
    let at = format!("{}:{}", server.host, server.port).parse().expect("cases name addresses");
    let is_tls = server.protocol == super::Protocol::Https;
    // What goes to an https proxy is encrypted.
    let value = server.authorization().filter(|_| !is_tls);
    Choice::Proxy(at, value.map(|value| value.to_str().unwrap().to_owned()))
}

/// Reports each connection before the client can see its end.
fn answer(listener: &TcpListener, address: SocketAddr, seen: &Sender<(SocketAddr, String)>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).unwrap_or_default();
        let head = String::from_utf8_lossy(&head[..read]).into_owned();
        if seen.send((address, head)).is_err() {
            return;
        }
        // The client may have gone.
        let _ = stream.write_all(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n");
    }
}

fn credentials(head: &str) -> Option<String> {
    head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: ")).map(str::to_owned)
}

#[test]
#[ignore = "needs curl 7.88 (run .ci/real-servers)"]
fn the_environment_is_read_as_curl_reads_it() {
    let version = Command::new("curl").arg("--version").output().expect("curl is installed").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    assert!(version.starts_with("curl 7.88."), "the table is of curl 7.88: {version}");
    let listeners = Listeners::start();
    let both = |(vars, url): &Case| {
        let vars: Vec<_> =
            vars.iter().map(|(name, value)| (*name, listeners.fill(value))).collect();
        (listeners.ours(&vars, url), listeners.curl(&vars, url))
    };
    let mut different = Vec::new();
    for case in SAME {
        let (ours, curls) = both(case);
        if ours != curls {
            different.push(format!("{case:?}: here {ours:?}, curl {curls:?}"));
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
    for (why, case) in EXCEPTIONS {
        let (ours, curls) = both(case);
        assert_ne!(ours, curls, "no longer an exception: {why}: {case:?}");
    }
    assert!(SAME.len() >= 60, "{}", SAME.len());
}
