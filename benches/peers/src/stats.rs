//! Medians, and ratios per round: slow phases of the machine affect all peers of a round alike.

#[derive(Clone, Copy)]
pub struct Quartiles {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

pub fn quartiles(values: impl IntoIterator<Item = f64>) -> Quartiles {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let [low, median, high] = [1, 2, 3].map(|quarter| values[values.len() * quarter / 4]);
    Quartiles { low, median, high }
}

/// Divides each value by the value of the same round.
pub fn ratios(values: &[f64], floor: &[f64]) -> Quartiles {
    quartiles(values.iter().zip(floor).map(|(value, floor)| value / floor))
}

/// The given quantile.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

impl Quartiles {
    /// Formats a ratio for the tables.
    pub fn show(self) -> String {
        let digits = if self.median < 10.0 { 2 } else { 0 };
        let Self { low, median, high } = self;
        format!("**{median:.digits$}** ({low:.digits$} to {high:.digits$})")
    }
}

/// A ratio of two measurements, and its 95 % interval.
pub struct Ratio {
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

/// The ratio of two percentiles with its interval, by a bootstrap over blocks of the same times. A
/// slow phase of the machine affects many requests in a row, and those of both services. So blocks
/// are drawn instead of requests, and the same ones for both.
pub fn percentile_ratio(values: &[Vec<f64>], floor: &[Vec<f64>], part: f64) -> Ratio {
    const DRAWS: usize = 2_000;
    let [values, floor] = [values, floor].map(|blocks| {
        let numbered = blocks.iter().enumerate();
        let mut all: Vec<_> =
            numbered.flat_map(|(at, it)| it.iter().map(move |&it| (it, at))).collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        all
    });
    let blocks = floor.iter().map(|(_, block)| block + 1).max().unwrap_or_default();
    // From the top: the first value with enough larger ones, each counted as often as its block was
    // drawn.
    let percentile = |descending: &[(f64, usize)], drawn: &[usize]| {
        let mut above = descending.len() - (descending.len() as f64 * part).ceil() as usize;
        let at = descending.iter().find(|(_, block)| {
            let left = above.checked_sub(drawn[*block]);
            above = left.unwrap_or(above);
            left.is_none()
        });
        at.expect("blocks of one size").0
    };
    let ratio = |drawn: &[usize]| percentile(&values, drawn) / percentile(&floor, drawn);
    // The same samples always give the same interval.
    let mut random = fastrand::Rng::with_seed(0);
    let mut ratios: Vec<_> = (0..DRAWS)
        .map(|_| {
            let mut drawn = vec![0; blocks];
            (0..blocks).for_each(|_| drawn[random.usize(..blocks)] += 1);
            ratio(&drawn)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let [low, high] = [0.025, 0.975].map(|part| self::percentile(&ratios, part));
    Ratio { low, value: ratio(&vec![1; blocks]), high }
}
