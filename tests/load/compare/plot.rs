//! A plot of how costs grow, as an SVG that pages can show.

use std::fmt::Write as _;

use super::growth::grouped;

/// One line of the plot.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// How many there are, and the cost in proportion to the first.
    pub(crate) points: Vec<(f64, f64)>,
}

/// How many there are goes from left to right, each step ten times the one before; the cost upwards, from none.
pub(crate) fn draw(lines: &[Line]) -> String {
    let costs = lines.iter().flat_map(|line| &line.points).map(|(_, cost)| *cost);
    let highest = (costs.fold(1.2, f64::max) * 5.0).ceil() / 5.0;
    let across = |count: f64| LEFT + count.max(1.0).log10() / DECADES * (WIDTH - LEFT - RIGHT);
    let up = |cost: f64| HEIGHT - BELOW - cost / highest * (HEIGHT - ABOVE - BELOW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for decade in 0..=DECADES as u32 {
        let count = 10_usize.pow(decade);
        let x = across(count as f64);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#e4e4e4\"/>", ABOVE, HEIGHT - BELOW);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BELOW + 20.0,
            grouped(count)
        );
    }
    for fifth in 0..=(highest * 5.0).round() as u32 {
        let cost = f64::from(fifth) / 5.0;
        let y = up(cost);
        let ink = if fifth == 5 { "#777777" } else { "#e4e4e4" };
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"{ink}\"/>", WIDTH - RIGHT);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{cost:.1}</text>", LEFT - 8.0, y + 4.0);
    }
    // Most lines end near 1: their names stand beside them, pushed apart.
    let mut names: Vec<(f64, &Line, &str)> =
        lines.iter().zip(COLOURS).filter_map(|(line, colour)| Some((up(line.points.last()?.1), line, colour))).collect();
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lowest = f64::NEG_INFINITY;
    for (y, line, colour) in names {
        let places: Vec<String> =
            line.points.iter().map(|(count, cost)| format!("{:.1},{:.1}", across(*count), up(*cost))).collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", places.join(" "));
        for place in &places {
            let (x, y) = place.split_once(',').unwrap();
            let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>");
        }
        lowest = y.max(lowest + 16.0);
        let x = WIDTH - RIGHT + 10.0;
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>", lowest + 4.0, line.name);
    }
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"20\">CPU time of a request, in proportion to the smallest</text>");
    svg.push_str("</svg>\n");
    svg
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 110.0;
const ABOVE: f64 = 36.0;
const BELOW: f64 = 36.0;
/// From 1 to 1,000,000.
const DECADES: f64 = 6.0;
const COLOURS: [&str; 5] = ["#0b6e99", "#b3402a", "#3f7d20", "#7a4fa3", "#a06a00"];
