//! The tail of a steady load over expiries: this crate compared with the same load on a static
//! header, precise to a tenth.
//!
//! * Each service has its own runtime, and its cache refreshes there. The effect of a refresh on
//!   concurrent requests is in the crate's row only. There are several services of each kind,
//!   because the p99.9 of one would rest on 24 requests.
//! * All run at the same time. The interval of their ratio comes from a bootstrap over whole
//!   seconds, the same ones for both, because a slow phase of the machine affects many requests in
//!   a row, and those of all.
//! * The static header takes part twice. The difference between the two is noise, and both together
//!   are the floor.

use std::{thread, time::Instant};

use tower_oauth2_client_credentials::BoxError;

use crate::{
    peer::Contestant,
    peers::FLOOR,
    report::Table,
    stats::{Ratio, percentile, percentile_ratio},
    steady::{ENDPOINT, Load, Outcome, STALL, micros, show, side_by_side_from},
};

/// Services of each kind.
const SERVICES: usize = 5;

/// The results of the services of one kind: a row.
pub struct Kind {
    name: &'static str,
    services: Vec<Outcome>,
}

impl Kind {
    fn sum(&self, of: fn(&Outcome) -> usize) -> String {
        self.services.iter().map(of).sum::<usize>().to_string()
    }
}

/// Microseconds of the requests in each second of the load.
fn by_second<'a>(services: impl Iterator<Item = &'a Outcome>, load: Load) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::new(); load.seconds as usize];
    for service in services {
        let each = service.each.chunks(load.a_second as usize);
        for (second, each) in seconds.iter_mut().zip(each) {
            second.extend(each.iter().map(micros));
        }
    }
    seconds
}

/// One row per kind, all measured at the same time.
pub fn measure(
    kinds: &[(&'static str, &'static Contestant)],
    load: Load,
) -> Result<Vec<Kind>, BoxError> {
    // When all services have their first token.
    let start = Instant::now() + ENDPOINT * 3;
    thread::scope(|scope| {
        let service = |contestant| move || side_by_side_from(start, &[contestant], load).remove(0);
        let kinds: Vec<_> = kinds
            .iter()
            .map(|&(name, contestant)| {
                (name, [(); SERVICES].map(|()| scope.spawn(service(contestant))))
            })
            .collect();
        let joined = kinds.into_iter().map(|(name, services)| {
            let services = services.map(|it| it.join().expect("no panic"));
            let services = services.into_iter().map(|it| it.map_err(|(_, reason)| reason));
            Ok(Kind { name, services: services.collect::<Result<_, _>>()? })
        });
        joined.collect()
    })
}

pub fn table(title: &str, load: Load, kinds: &[Kind]) -> Table {
    let mut table = Table::new(
        title,
        &[
            "",
            "stalled",
            "longest wait",
            "median",
            "p99.9",
            "its ratio to that of both static headers (95 % interval)",
            "failed",
            "sent with an expired token",
            "token requests",
        ],
    );
    let all = kinds.iter().flat_map(|kind| &kind.services);
    let floor = by_second(all.filter(|it| it.name == FLOOR), load);
    for kind in kinds {
        let seconds = by_second(kind.services.iter(), load);
        let mut all = seconds.concat();
        all.sort_by(f64::total_cmp);
        let Ratio { low, value, high } = percentile_ratio(&seconds, &floor, 0.999);
        table.row(vec![
            kind.name.into(),
            kind.sum(Outcome::stalled),
            show(all[all.len() - 1]),
            format!("{:.1} µs", percentile(&all, 0.5)),
            show(percentile(&all, 0.999)),
            format!("**{value:.2}** ({low:.2} to {high:.2})"),
            kind.sum(|it| it.failed),
            kind.sum(|it| it.dead),
            kind.sum(|it| it.token_requests),
        ]);
    }
    table.note(format!(
        "{} s at {} requests a second for each of {SERVICES} services in a row, all at the same time; \
         the endpoints take {} ms. Stalled: waited more than {} ms. The difference between the two \
         static headers is noise.",
        load.seconds,
        load.a_second,
        ENDPOINT.as_millis(),
        STALL.as_millis(),
    ));
    table
}
