//! Token requests a minute as an SVG.

use std::fmt::Write as _;

use super::world::{MINUTES, Numbers};

const WIDTH: f64 = 900.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 50.0;
const LEFT: f64 = 60.0;
/// The scale of the vertical axis is logarithmic.
const DECADES: f64 = 5.0;

pub(crate) fn svg(columns: &[(&str, Numbers)]) -> String {
    let height = GAP + columns.len() as f64 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n",
        LEFT + WIDTH + 20.0
    );
    for (number, (name, numbers)) in columns.iter().enumerate() {
        let bottom = GAP + number as f64 * (PANEL + GAP) + PANEL;
        panel(&mut svg, bottom, name, numbers);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, bottom: f64, name: &str, numbers: &Numbers) {
    let total = numbers.total();
    let top = bottom - PANEL;
    writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{name}: {total} token requests</text>",
        top - 8.0
    )
    .unwrap();
    for decade in 0..=DECADES as i32 {
        let y = bottom - PANEL * f64::from(decade) / DECADES;
        writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0,
            10_u32.pow(decade as u32)
        )
        .unwrap();
    }
    for hour in (0..=24).step_by(3) {
        let x = LEFT + WIDTH * f64::from(hour) / 24.0;
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{hour} h</text>",
            bottom + 16.0
        )
        .unwrap();
    }
    let step = WIDTH / MINUTES as f64;
    let mut bars = String::new();
    for (minute, count) in numbers.minutes.iter().enumerate().filter(|(_, count)| **count > 0) {
        // The logarithm of 1 is 0, so a single request gets a bar of a tenth of a decade.
        let share = ((*count as f64).log10().max(0.1) / DECADES).min(1.0);
        let x = LEFT + step * (minute as f64 + 0.5);
        write!(bars, "M{x:.1} {bottom:.1}V{:.1}", bottom - PANEL * share).unwrap();
    }
    writeln!(svg, "<path d=\"{bars}\" stroke=\"#2266aa\" fill=\"none\"/>").unwrap();
}
