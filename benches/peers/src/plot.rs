//! Two pictures for light and dark pages: no background, mid-tone colors. And one as text.

use std::{fmt::Write as _, path::Path};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    herd::{FLOOR, Line},
    peers::{GET, LAYER},
    steady::{ENDPOINT, Outcome},
};

type Error = tower_oauth2_client_credentials::BoxError;

/// Enough contrast with white and with black.
const TEXT: RGBColor = RGBColor(128, 128, 128);
const OURS: RGBColor = RGBColor(46, 150, 90);
const OURS_TOO: RGBColor = RGBColor(130, 170, 60);
const STALL: RGBColor = RGBColor(214, 96, 77);
const OTHERS: [RGBColor; 8] = [
    RGBColor(214, 96, 77),
    RGBColor(67, 133, 190),
    RGBColor(208, 145, 30),
    RGBColor(150, 105, 190),
    RGBColor(30, 160, 165),
    RGBColor(205, 100, 150),
    RGBColor(140, 120, 80),
    RGBColor(120, 130, 150),
];

/// The size in pixels. plotters derives a font of that height from a size.
fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", f64::from(size) * 1.24).into_font().color(&TEXT)
}

fn at(style: TextStyle<'static>, h: HPos, v: VPos) -> TextStyle<'static> {
    style.pos(Pos::new(h, v))
}

/// How long requests waited, over time: one strip per crate.
pub fn stalls(file: &Path, outcomes: &[&Outcome], seconds: u32) -> Result<(), Error> {
    const LEFT: i32 = 190;
    const RIGHT: i32 = 150;
    const STRIP: i32 = 44;
    const TOP: i32 = 40;
    let (width, height) = (860, TOP + STRIP * outcomes.len() as i32 + 40);
    let root = SVGBackend::new(file, (width as u32, height as u32)).into_drawing_area();
    let title = format!(
        "Longest wait for a token in each 50 ms; renewed every 3 s, endpoint {} ms",
        ENDPOINT.as_millis()
    );
    root.draw_text(&title, &at(text(15), HPos::Left, VPos::Top), (10, 10))?;
    // A strip is as high as twice the endpoint's latency. Longer waits are cut off.
    let most = ENDPOINT.as_secs_f64() * 2.0;
    let across = f64::from(width - LEFT - RIGHT);
    let x = |second: f64| LEFT + (second / f64::from(seconds) * across) as i32;
    for (number, outcome) in outcomes.iter().enumerate() {
        let base = TOP + STRIP * (number as i32 + 1);
        let color = match outcome.name {
            LAYER | GET => OURS,
            _ if outcome.stalled() + outcome.failed > 0 => STALL,
            _ => TEXT,
        };
        let name = outcome.name.replace('`', "");
        root.draw_text(&name, &at(text(13), HPos::Right, VPos::Bottom), (LEFT - 8, base))?;
        root.draw(&PathElement::new(vec![(LEFT, base), (width - RIGHT, base)], color))?;
        let mut buckets = vec![0.0_f64; seconds as usize * 20];
        for (since, took) in &outcome.each {
            let bucket = ((*since - outcome.start).as_secs_f64() * 20.0) as usize;
            if let Some(longest) = buckets.get_mut(bucket) {
                *longest = longest.max(took.as_secs_f64());
            }
        }
        for (bucket, longest) in buckets.into_iter().enumerate() {
            let high = (longest.min(most) / most * f64::from(STRIP - 8)) as i32;
            let [left, right] = [bucket, bucket + 1].map(|bucket| x(bucket as f64 / 20.0));
            if high > 1 {
                let corners = [(left, base - high), (right, base)];
                root.draw(&Rectangle::new(corners, color.filled()))?;
            }
        }
        let note = match (outcome.stalled(), outcome.failed) {
            (stalled, 0) => format!("{stalled} stalled"),
            (stalled, failed) => format!("{stalled} stalled, {failed} failed"),
        };
        let place = (width - RIGHT + 8, base);
        root.draw_text(&note, &at(text(13), HPos::Left, VPos::Bottom), place)?;
    }
    let base = TOP + STRIP * outcomes.len() as i32;
    for second in (0..=seconds).step_by(3) {
        let place = (x(f64::from(second)), base + 8);
        root.draw_text(&format!("{second} s"), &at(text(12), HPos::Center, VPos::Top), place)?;
    }
    root.present()?;
    Ok(())
}

/// How long requests waited, over time, as text: a line per crate, fewest stalls first. A full bar is
/// the endpoint's latency.
pub fn stalls_as_text(outcomes: &[&Outcome], seconds: u32) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const A_SECOND: u32 = 5;
    let mut outcomes: Vec<_> = outcomes.iter().filter(|outcome| outcome.name != GET).collect();
    // The floor and this crate come first, and the sort keeps that order.
    outcomes.sort_by_key(|outcome| outcome.stalled());
    let mut text = String::from("```text\n");
    for outcome in outcomes {
        let mut longest = vec![0.0_f64; (seconds * A_SECOND) as usize];
        for (since, took) in &outcome.each {
            let column = (*since - outcome.start).as_secs_f64() * f64::from(A_SECOND);
            if let Some(longest) = longest.get_mut(column as usize) {
                *longest = longest.max(took.as_secs_f64() / ENDPOINT.as_secs_f64());
            }
        }
        let bar = |share: f64| BARS[((share * 8.0).round() as usize).clamp(1, 8) - 1];
        let bars: String = longest.into_iter().map(bar).collect();
        let name = outcome.name.split(['(', ':']).next().unwrap_or_default().trim();
        let _ = writeln!(text, "{name:<22}{bars} {:4}", outcome.stalled());
    }
    text + "```\n"
}

/// Time per waiter against the number of waiters.
pub fn herds(file: &Path, lines: &[Line]) -> Result<(), Error> {
    let root = SVGBackend::new(file, (860, 460)).into_drawing_area();
    let (chart_area, legend): (DrawingArea<_, Shift>, _) = root.split_horizontally(640);
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = points().map(|(waiters, _)| *waiters).max().ok_or("no herd")? as f64;
    let low = points().map(|(_, nanos)| nanos / 1e3).fold(f64::MAX, f64::min);
    let high = points().map(|(_, nanos)| nanos / 1e3).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&chart_area)
        .margin(10)
        .caption("From the endpoint's answer to the last waiter, for each waiter", text(15))
        .x_label_area_size(45)
        .y_label_area_size(70)
        .build_cartesian_2d((0.9..most * 1.1).log_scale(), (low * 0.7..high * 1.4).log_scale())?;
    chart
        .configure_mesh()
        .axis_style(TEXT)
        .bold_line_style(TEXT.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(text(12))
        .axis_desc_style(text(13))
        .x_desc("callers that wait for one token")
        .y_desc("µs a waiter")
        .x_label_formatter(&|waiters| format!("{waiters:.0}"))
        .y_label_formatter(&|micros| format!("{micros}"))
        .draw()?;
    let mut others = OTHERS.iter().cycle();
    for (number, line) in lines.iter().enumerate() {
        let (color, wide) = match line.name {
            FLOOR => (TEXT, 2),
            LAYER => (OURS, 3),
            GET => (OURS_TOO, 3),
            _ => (*others.next().expect("a cycle"), 2),
        };
        let style = color.stroke_width(wide);
        let places = line.points.iter().map(|(waiters, nanos)| (*waiters as f64, nanos / 1e3));
        chart.draw_series(LineSeries::new(places.clone(), style))?;
        chart.draw_series(places.map(|place| Circle::new(place, 3, color.filled())))?;
        let y = 50 + 24 * number as i32;
        legend.draw(&PathElement::new(vec![(5, y), (30, y)], style))?;
        let name = line.name.replace('`', "");
        legend.draw_text(&name, &at(text(12), HPos::Left, VPos::Center), (36, y))?;
    }
    root.present()?;
    Ok(())
}
