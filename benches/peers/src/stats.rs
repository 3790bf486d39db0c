//! Medians, and ratios that are taken round by round: a machine's mood moves all that take turns
//! within a round alike.

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

/// Each value by that of the same round.
pub fn ratios(values: &[f64], floor: &[f64]) -> Quartiles {
    quartiles(values.iter().zip(floor).map(|(value, floor)| value / floor))
}

/// The value that so large a part of all is not above.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

impl Quartiles {
    /// As tables show a ratio.
    pub fn show(self) -> String {
        let digits = if self.median < 10.0 { 2 } else { 0 };
        let Self { low, median, high } = self;
        format!("**{median:.digits$}** ({low:.digits$} to {high:.digits$})")
    }
}
