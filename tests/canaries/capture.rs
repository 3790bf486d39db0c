//! Keeps all output of the process, and searches it.

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
    fmt::{Debug, Write as _},
    panic,
    sync::{Arc, Mutex, OnceLock},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_oauth2_client_credentials::testing::RecordedRequest;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::{
    encodings::{SHARED, encodings},
    log::Log,
};

/// A secret that no other canary shares a piece with. It has every kind of character that an
/// encoding escapes.
pub(crate) fn canary(kind: &str) -> String {
    let groups = "+/ &<\"'\\=~".chars();
    groups.flat_map(|special| [plain(&format!("{kind}{special}"), 4), special.into()]).collect()
}

/// A canary for places that allow letters and digits only.
pub(crate) fn plain_canary(kind: &str) -> String {
    plain(kind, 32)
}

fn plain(kind: &str, length: usize) -> String {
    // FNV-1a, so that a kind always has the same canary.
    let seed = kind.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

/// The output of the whole process: logs, spans, and panics of this crate's code.
struct Process {
    log: Log,
    metrics: PrometheusHandle,
}

fn process() -> &'static Process {
    static PROCESS: OnceLock<Process> = OnceLock::new();
    PROCESS.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(log.clone())
            .init();
        let (panics, default) = (log.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            let is_ours = info.location().is_some_and(|at| !at.file().starts_with("tests"));
            if is_ours {
                panics.add(&format!("{info}\n"));
            }
            default(info);
        }));
        Process { log, metrics: PrometheusBuilder::new().install_recorder().unwrap() }
    })
}

/// The output of one test, next to that of the process.
pub(crate) struct Shown {
    texts: Log,
    secrets: Mutex<Secrets>,
}

/// The pieces of all encodings of the secrets, with the name of the secret.
struct Secrets {
    names: HashMap<u64, Arc<str>>,
    /// A bit for each piece, because most places in a text are in no secret.
    filter: Vec<bool>,
}

impl Secrets {
    const FILTER_BITS: u32 = 16;

    fn new() -> Self {
        Self { names: HashMap::new(), filter: vec![false; 1 << Self::FILTER_BITS] }
    }

    fn slot(piece: u64) -> usize {
        (piece.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::FILTER_BITS)) as usize
    }

    fn add(&mut self, name: &Arc<str>, piece: u64) {
        self.filter[Self::slot(piece)] = true;
        self.names.insert(piece, Arc::clone(name));
    }

    /// The name of a secret that a text repeats, and the text around it.
    fn find(&self, text: &str) -> Option<String> {
        let mut last = 0;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            last = last << 8 | u64::from(byte);
            if !self.filter[Self::slot(last)] {
                continue;
            }
            let Some(name) = self.names.get(&last) else { continue };
            let around = &text.as_bytes()[at.saturating_sub(300)..(at + 100).min(text.len())];
            return Some(format!("{name}: {}", String::from_utf8_lossy(around)));
        }
        None
    }
}

/// Each `SHARED` bytes of a text.
fn pieces(text: &str) -> impl Iterator<Item = u64> {
    text.as_bytes().windows(SHARED).map(|piece| u64::from_be_bytes(piece.try_into().unwrap()))
}

impl Shown {
    /// Each test begins with it. The first thread that reaches a callsite decides for the whole
    /// process whether it is enabled.
    pub(crate) fn new() -> Self {
        process();
        Self { texts: Log::default(), secrets: Mutex::new(Secrets::new()) }
    }

    /// Registers a secret of the client `id`.
    pub(crate) fn secret(&self, name: &str, id: &str, secret: &str) {
        // Base64 of the id alone is no secret.
        let public = encodings(id, &" ".repeat(16)).into_iter().chain([id.to_owned()]);
        let public: HashSet<_> =
            public.flat_map(|text| pieces(&text).collect::<Vec<_>>()).collect();
        let (name, mut secrets) = (Arc::from(name), self.secrets.lock().unwrap());
        for encoded in encodings(id, secret) {
            for piece in pieces(&encoded).filter(|piece| !public.contains(piece)) {
                secrets.add(&name, piece);
            }
        }
    }

    /// Registers the lines of a private key in PEM.
    pub(crate) fn pem(&self, name: &str, pem: &str) {
        for line in pem.lines().filter(|line| !line.starts_with("-----") && line.len() >= 16) {
            self.secret(name, "", line);
        }
    }

    /// Registers the JWTs that a server received last.
    pub(crate) fn sent(&self, requests: &[RecordedRequest]) {
        for request in requests.iter().rev().take(8) {
            let form = ["client_assertion", "assertion", "client_secret", "subject_token"];
            let form = form.iter().filter_map(|name| request.form_value(name));
            let fields = ["authorization", "proxy-authorization", "dpop"];
            let fields = fields.iter().filter_map(|name| request.header(name));
            for value in form.chain(fields) {
                // The header of a JWT says what every JWT of this kind says.
                let value = value.split_once(' ').map_or(value, |(_, credentials)| credentials);
                let value = value.strip_prefix("eyJ").and_then(|jwt| jwt.split_once('.'));
                let Some((_, secret)) = value else { continue };
                self.secret("a JWT that was sent", "", secret);
            }
        }
    }

    pub(crate) fn text(&self, text: &str) {
        self.texts.add(text);
        self.texts.add("\n");
    }

    pub(crate) fn debug(&self, value: &(impl Debug + ?Sized)) {
        self.text(&format!("{value:?}\n{value:#?}"));
    }

    /// An error with all its causes.
    pub(crate) fn error(&self, error: &(dyn StdError + 'static)) {
        let mut text = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            writeln!(text, "{error} {error:#} {error:?} {error:#?}").unwrap();
            next = error.source();
        }
        self.text(&text);
    }

    /// The result of a call: a value, or an error with all its causes.
    pub(crate) fn result<T: Debug, E: StdError + 'static>(&self, result: Result<T, E>) {
        match result {
            Ok(value) => self.debug(&value),
            Err(error) => self.error(&error),
        }
    }

    fn all(&self) -> String {
        let process = process();
        [self.texts.read(), process.log.read(), process.metrics.render()].join("\n")
    }

    /// The name of a secret that appears, and the text around it.
    pub(crate) fn leak(&self) -> Option<String> {
        self.leak_in(&self.all())
    }

    pub(crate) fn leak_in(&self, text: &str) -> Option<String> {
        self.secrets.lock().unwrap().find(text)
    }

    /// Fails if a secret appears, or if the output was not kept.
    pub(crate) fn check(&self) {
        assert!(!self.secrets.lock().unwrap().names.is_empty(), "no secret is registered");
        assert!(tracing::enabled!(tracing::Level::TRACE), "not everything is kept");
        if let Some(leak) = self.leak() {
            panic!("a secret shows: {leak}");
        }
    }

    /// Fails unless a text was shown, so that a search of nothing does not pass.
    pub(crate) fn contains(&self, text: &str) {
        assert!(self.all().contains(text), "{text} is not shown");
    }
}
