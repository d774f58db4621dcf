//! The timeline: bars of bytes by app, refusals below them, and marks for what was done and noticed.

use jiff::tz::TimeZone;

use super::figures::When;
use super::findings::{Cell, EventClass, Findings};
use super::summary::what_happened;
use super::words::{count, formatted, number, short};
use crate::clock::Timestamp;

/// Shapes in the units of the picture, which is [`WIDTH`] wide.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) height: u32,
    pub(super) plot: Plot,
    /// What the height of bars says.
    pub(super) measure: &'static str,
    pub(super) step: String,
    pub(super) bars: Vec<Bar>,
    pub(super) refusals: Vec<Bar>,
    /// The most refusals in a step; zero if there are none.
    pub(super) most_refused: u64,
    pub(super) lines: Vec<Line>,
    pub(super) ticks: Vec<Tick>,
    pub(super) marks: Vec<Mark>,
    pub(super) marks_left_out: usize,
    pub(super) legend: Vec<(String, String)>,
}

/// Where the bars stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plot {
    pub(super) top: u32,
    pub(super) bottom: u32,
    /// Where refusals hang from; they are drawn downwards.
    pub(super) refused_top: u32,
}

/// A rectangle.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) class: String,
    pub(super) title: String,
}

/// A line across, with what it stands for.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) y: String,
    pub(super) label: String,
}

/// A time below the bars.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) x: String,
    pub(super) time: String,
    /// Where the day changes.
    pub(super) day: String,
}

/// Something that was done or noticed.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) number: usize,
    pub(super) x: String,
    pub(super) y: u32,
    pub(super) class: &'static str,
    pub(super) at: String,
    pub(super) words: String,
}

impl Chart {
    /// The timeline of what was found; `None` if nothing was.
    pub(super) fn of(found: &Findings, zone: &TimeZone) -> Option<Self> {
        let events: Vec<_> = found.events.iter().filter(|event| is_marked(event.class)).collect();
        let edges = (events.first().map(|event| event.at), events.last().map(|event| event.at));
        let (step, cells) = found.grid.steps(zone, MOST_STEPS, edges.0.zip(edges.1));
        let scale = Scale::of(step, &cells, edges)?;
        let by_bytes = cells.iter().any(|(_, _, cell)| cell.sent > 0);
        let value = |cell: &Cell| if by_bytes { cell.sent } else { cell.allowed };
        let ranks = ranks(found);
        let mut chart = Self { measure: if by_bytes { "bytes that left" } else { "requests let through" }, ..Self::default() };
        chart.step = length(step);
        let rows = chart.add_marks(&events, &scale, zone);
        chart.plot.top = 26 + 22 * rows;
        chart.plot.bottom = chart.plot.top + BARS;
        let stacked = stacked(&cells, &value);
        let top = nice(stacked.iter().map(|(_, total)| *total).max().unwrap_or(0));
        chart.add_bars(&cells, &scale, &ranks, top, by_bytes, found, zone);
        for part in 0..=4_u64 {
            let label = if by_bytes { short(top / 4 * part) } else { number(top * part / 4) };
            let y = point(f64::from(chart.plot.bottom) - share(part, 4) * f64::from(BARS));
            chart.lines.push(Line { y, label: if part == 0 { "0".to_owned() } else { label } });
        }
        chart.add_ticks(&scale, zone);
        chart.plot.refused_top = chart.plot.bottom + 44;
        chart.add_refusals(&cells, &scale, zone);
        chart.height = if chart.most_refused > 0 { chart.plot.refused_top + REFUSALS + 8 } else { chart.plot.bottom + 40 };
        chart.legend = legend(found, &ranks, by_bytes);
        Some(chart)
    }

    fn add_marks(&mut self, events: &[&super::findings::Happened], scale: &Scale, zone: &TimeZone) -> u32 {
        let mut ends = [f64::MIN; MARK_ROWS];
        let mut rows = 0;
        for (index, event) in events.iter().take(MOST_MARKS).enumerate() {
            let x = scale.x(event.at.0.0);
            // The first row that has room; if none has, the last.
            let row = ends.iter().position(|end| x - end >= 20.0).unwrap_or(MARK_ROWS - 1);
            if let Some(end) = ends.get_mut(row) {
                *end = x;
            }
            let row = u32::try_from(row).unwrap_or(0);
            rows = rows.max(row + 1);
            self.marks.push(Mark {
                number: index + 1,
                x: point(x),
                y: 14 + 22 * row,
                class: if event.class == EventClass::Signal { "signal" } else { "lever" },
                at: super::words::time_ms(event.at, zone),
                words: what_happened(event),
            });
        }
        self.marks_left_out = events.len().saturating_sub(MOST_MARKS);
        rows
    }

    #[expect(clippy::too_many_arguments, reason = "what a bar is drawn from")]
    fn add_bars(
        &mut self,
        cells: &[(When, u32, Cell)],
        scale: &Scale,
        ranks: &[u32],
        top: u64,
        by_bytes: bool,
        found: &Findings,
        zone: &TimeZone,
    ) {
        let value = |cell: &Cell| if by_bytes { cell.sent } else { cell.allowed };
        for of_step in cells.chunk_by(|a, b| a.0 == b.0) {
            let mut apps: Vec<_> = of_step.iter().filter(|(_, _, cell)| value(cell) > 0).collect();
            apps.sort_by_key(|(_, app, _)| rank(ranks, *app));
            let mut below = 0_u64;
            for (at, app, cell) in apps {
                let name = found.app_names.iter().find(|(number, _)| number == app).map_or("", |(_, name)| name);
                let amount = value(cell);
                let (foot, head) = (share(below, top) * f64::from(BARS), share(below + amount, top) * f64::from(BARS));
                below += amount;
                let told = if by_bytes { short(amount) } else { count(amount, "request", "requests") };
                self.bars.push(Bar {
                    x: point(scale.x(at.0.0)),
                    y: point(f64::from(self.plot.bottom) - head),
                    width: point(scale.width()),
                    // What is there is seen, however little it is.
                    height: point((head - foot).max(0.7)),
                    class: class(ranks, *app),
                    title: format!("{}: {name}, {told}", super::words::minute(*at, zone)),
                });
            }
        }
    }

    fn add_refusals(&mut self, cells: &[(When, u32, Cell)], scale: &Scale, zone: &TimeZone) {
        let steps = stacked(cells, &|cell| cell.denied);
        self.most_refused = steps.iter().map(|(_, refused)| *refused).max().unwrap_or(0);
        for (at, refused) in steps.into_iter().filter(|(_, refused)| *refused > 0) {
            self.refusals.push(Bar {
                x: point(scale.x(at.0.0)),
                y: point(f64::from(self.plot.refused_top)),
                width: point(scale.width()),
                height: point((share(refused, self.most_refused) * f64::from(REFUSALS)).max(0.7)),
                class: "refused".to_owned(),
                title: format!("{}: {} refused", super::words::minute(at, zone), count(refused, "request", "requests")),
            });
        }
    }

    fn add_ticks(&mut self, scale: &Scale, zone: &TimeZone) {
        let every = TICKS.into_iter().find(|every| (scale.to - scale.from) / every < MOST_TICKS).unwrap_or(30 * DAY);
        let offset = super::gather::offset_ms(zone, scale.from);
        let mut at = (scale.from + offset).div_euclid(every) * every - offset;
        let mut day = String::new();
        while at <= scale.to {
            if at >= scale.from {
                let when = When(Timestamp(at));
                let today = formatted(when, zone, "%-d %b %Y");
                let time = if every >= DAY { String::new() } else { formatted(when, zone, "%H:%M") };
                let shown = if today == day { String::new() } else { today.clone() };
                self.ticks.push(Tick { x: point(scale.x(at)), time, day: shown });
                day = today;
            }
            at += every;
        }
    }
}

/// From time to place.
struct Scale {
    from: i64,
    to: i64,
    step: i64,
}

impl Scale {
    fn of(step: i64, cells: &[(When, u32, Cell)], edges: (Option<When>, Option<When>)) -> Option<Self> {
        let first = cells.first().map(|(at, _, _)| at.0.0);
        let last = cells.last().map(|(at, _, _)| at.0.0 + step);
        let (before, after) = (edges.0.map(|at| at.0.0), edges.1.map(|at| at.0.0));
        let from = first.into_iter().chain(before).min()?;
        let to = last.into_iter().chain(after).max()?;
        // One step alone would be one thick bar.
        let missing = (FEWEST_STEPS * step - (to - from)).max(0);
        Some(Self { from: from - missing / 2, to: to + missing / 2, step })
    }

    fn x(&self, ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "places in a picture")]
        let part = (ms - self.from) as f64 / (self.to - self.from).max(1) as f64;
        f64::from(LEFT) + part * f64::from(WIDTH - LEFT - RIGHT)
    }

    fn width(&self) -> f64 {
        let width = self.x(self.from + self.step) - f64::from(LEFT);
        if width > 4.0 { width - 1.0 } else { width }
    }
}

fn stacked(cells: &[(When, u32, Cell)], value: &impl Fn(&Cell) -> u64) -> Vec<(When, u64)> {
    cells
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|step| Some((step.first()?.0, step.iter().map(|(_, _, cell)| value(cell)).sum())))
        .collect()
}

fn is_marked(class: EventClass) -> bool {
    matches!(class, EventClass::Lever | EventClass::Signal)
}

/// Numbers of apps, those that took the most first.
fn ranks(found: &Findings) -> Vec<u32> {
    let number = |name: &str| found.app_names.iter().find(|(_, app)| app == name).map(|(number, _)| *number);
    found.apps.iter().filter_map(|row| number(row.app.as_deref().unwrap_or_default())).collect()
}

fn rank(ranks: &[u32], app: u32) -> usize {
    ranks.iter().position(|ranked| *ranked == app).unwrap_or(ranks.len())
}

/// The class of an app's colour: the first few have their own.
fn class(ranks: &[u32], app: u32) -> String {
    format!("a{}", rank(ranks, app).min(COLOURS))
}

/// The class of the colour of the app in this place of the list.
pub(super) fn colour(place: usize) -> String {
    format!("a{}", place.min(COLOURS))
}

fn legend(found: &Findings, ranks: &[u32], by_bytes: bool) -> Vec<(String, String)> {
    let shown: Vec<_> = found
        .apps
        .iter()
        .filter(|row| if by_bytes { row.tally.left.bytes() > 0 } else { row.tally.allowed > 0 })
        .filter_map(|row| row.app.clone())
        .collect();
    let mut legend: Vec<_> =
        shown.iter().take(COLOURS).enumerate().map(|(place, name)| (colour(place.min(ranks.len())), name.clone())).collect();
    if shown.len() > COLOURS {
        legend.push((colour(COLOURS), format!("{} other apps", shown.len() - COLOURS)));
    }
    legend
}

/// A round number that is not less: the scale goes to it, and its quarters are told.
fn nice(most: u64) -> u64 {
    let most = most.max(4);
    let mut unit = 1_u64;
    loop {
        for by in [4, 8, 12, 20, 32] {
            let top = unit.saturating_mul(by);
            if top >= most {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "places in a picture")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

fn point(value: f64) -> String {
    format!("{value:.1}")
}

/// `5 minutes`, `1 day`.
fn length(ms: i64) -> String {
    let units = [(DAY, "day", "days"), (HOUR, "hour", "hours"), (MINUTE, "minute", "minutes")];
    let (unit, one, many) = units.into_iter().find(|(unit, _, _)| ms >= *unit).unwrap_or((1, "millisecond", "milliseconds"));
    count((ms / unit).unsigned_abs(), one, many)
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const TICKS: [i64; 12] =
    [MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];
/// The picture's width.
pub(super) const WIDTH: u32 = 960;
/// Where bars begin.
pub(super) const LEFT: u32 = 72;
/// What is left free behind them.
pub(super) const RIGHT: u32 = 16;
const BARS: u32 = 190;
const REFUSALS: u32 = 44;
const MOST_STEPS: usize = 120;
const FEWEST_STEPS: i64 = 12;
const MOST_TICKS: i64 = 9;
const MOST_MARKS: usize = 20;
const MARK_ROWS: usize = 4;
/// Apps that have a colour of their own.
const COLOURS: usize = 6;
