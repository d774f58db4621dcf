//! The command line of it.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::figures::When;
use super::findings::{Findings, Span};
use super::gather::Gatherer;
use super::made::{Deleted, Made, Read, Verification};
use super::subject::{Subject, SubjectArgs};
use super::text::Size;
use super::verification::VerifyArgs;
use super::{html, json, text};
use crate::clock::Clock;
use crate::commands::audit::people;
use crate::commands::audit::place::{RecordArgs, RecordPlace};
use crate::commands::audit::unknown::Asked;
use crate::commands::audit::which::WhichArgs;
use crate::commands::error::CommandError;
use crate::commands::output::{note, plain};
use crate::commands::when::moment;
use crate::journey::MOST_HELD;
use crate::record::read;

/// The incident report: what a device, a person or a session touched, when, and how much left
#[derive(Debug, Args)]
#[command(
    after_help = "Figures: those of whole answers are exact; of an answer that was broken off the client received no more than is told; where the end is not in the record, it was at least what is told.\n\
    Exit codes: 0 also if the subject did nothing in that time; 1 if the record is not as it was written, with the report made all the same; 3 if nobody knows the subject.\n\n\
    Examples:\n  sekisho audit report --device ana-7k2q --since yesterday\n  \
    sekisho audit report --device ana-7k2q --since 2026-11-20 --output incident.html\n  \
    sekisho audit report --user ana@corp.example --since \"2026-11-20 14:30\" --until 2026-11-21 --dir /mnt/evidence/audit --format json"
)]
pub(in crate::commands::audit) struct ReportCommand {
    #[command(flatten)]
    subject: SubjectArgs,
    /// From when: how long ago (`2h`, `7d`), `today`, `yesterday`, `2026-11-20`, `14:30`, `2026-11-20 14:30`, or RFC 3339
    #[arg(long, value_name = "WHEN")]
    since: String,
    /// Up to when, written as for --since [default: now]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    #[command(flatten)]
    record: RecordArgs,
    /// What it is written as [default: as the name of --output ends, else text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Where it is written to; readable by you only. A file that is there is not touched
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file that --output names
    #[arg(long, requires = "output")]
    force: bool,
    /// Rows of each table, of text and HTML; JSON has all [default: 20 in text, 1000 in HTML]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// The zone of times and hours, such as Europe/Berlin [default: the configured one; of a copy, this machine's]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<TimeZone>,
    #[command(flatten)]
    verify: VerifyArgs,
}

/// What it is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// Everything, for programs
    Json,
    /// One page that needs nothing else, to be read and printed
    Html,
}

impl ReportCommand {
    /// Reads the record, and writes the report.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(in crate::commands::audit) async fn run(self) -> Result<(), CommandError> {
        let format = self.format()?;
        self.output_is_free()?;
        let place = self.record.find()?;
        let zone = self.time_zone.clone().unwrap_or_else(|| place.zone.clone());
        let now = Clock::system().now();
        let span = self.span(When(now), &zone)?;
        let (subject, which) = self.subject.clone().find(&place.folder)?;
        let mut gatherer = Gatherer::new(subject, span);
        let tally = gatherer.read(&place.folder).map_err(CommandError::failed)?;
        let found = gatherer.finish(&zone);
        if found.is_empty() {
            tell_unknown(&which, span, &place).await?;
        }
        let deleted = place.folder.deleted(&read_span(span)).map_err(CommandError::failed)?.map(|(files, from, to)| Deleted {
            files,
            from,
            to,
        });
        let verification = self.verify.check(place.folder.dir(), &zone)?;
        let made = Made {
            at: When(now),
            version: env!("CARGO_PKG_VERSION"),
            command: command_line(),
            folder: place.folder.dir().display().to_string(),
            time_zone: zone_name(&zone),
            zone,
            read: Read { deleted, ..Read::of(tally, found.unreadable) },
            verification,
            on_its_way: MOST_HELD,
        };
        self.write(format, &found, &made)?;
        match made.verification {
            Verification::Failed(words) => Err(CommandError::CheckFailed(plain(&words))),
            Verification::Verified(_) | Verification::NotDone(_) => Ok(()),
        }
    }

    fn format(&self) -> Result<Format, CommandError> {
        match (self.format, &self.output) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Format::Text),
            (None, Some(path)) => by_name(path).map_err(CommandError::usage),
        }
    }

    /// Looked at before the record is read, which may take a while.
    fn output_is_free(&self) -> Result<(), CommandError> {
        match &self.output {
            Some(path) if !self.force && path.symlink_metadata().is_ok_and(|there| there.is_file()) => Err(taken(path)),
            _ => Ok(()),
        }
    }

    fn span(&self, now: When, zone: &TimeZone) -> Result<Span, CommandError> {
        let read = |text: &str| moment(text, now.0, zone).map(When).map_err(CommandError::usage);
        let span = Span { since: read(&self.since)?, until: self.until.as_deref().map_or(Ok(now), read)? };
        if span.since >= span.until {
            let Span { since, until } = span;
            return Err(CommandError::usage(format!("there is no time between --since {} and --until {}", since.0, until.0)));
        }
        Ok(span)
    }

    fn write(&self, format: Format, found: &Findings, made: &Made) -> Result<(), CommandError> {
        let Some(path) = &self.output else {
            let out = io::stdout();
            let width = out.is_terminal().then(|| terminal_size::terminal_size().map_or(100, |(width, _)| width.0.into()));
            return done(self.write_to(format, found, made, width, &mut out.lock()));
        };
        let mut how = OpenOptions::new();
        how.write(true).mode(0o600);
        // A device or a pipe that is named is written to.
        let special = path.metadata().is_ok_and(|there| !there.is_file());
        if self.force || special {
            how.create(true).truncate(true);
        } else {
            how.create_new(true);
        }
        let file = match how.open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken(path)),
            file => file,
        };
        let written = file.and_then(|file| self.write_to(format, found, made, None, &mut BufWriter::new(file)));
        written.map_err(|error| CommandError::failed(format!("{}: {error}", path.display())))?;
        note(&format!("written to {}\n", plain(&path.display().to_string())));
        Ok(())
    }

    fn write_to(
        &self,
        format: Format,
        found: &Findings,
        made: &Made,
        width: Option<usize>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match format {
            Format::Text => out.write_all(text::report(found, made, Size { rows: self.rows.unwrap_or(20), width }).as_bytes())?,
            Format::Json => json::write(found, made, &mut BufWriter::new(&mut *out))?,
            Format::Html => {
                out.write_all(html::page(found, made, self.rows.unwrap_or(1000)).map_err(io::Error::other)?.as_bytes())?
            }
        }
        out.flush()
    }
}

/// What the ending of a file's name asks for.
fn by_name(path: &Path) -> Result<Format, String> {
    match path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).as_deref() {
        Some("html" | "htm") => Ok(Format::Html),
        Some("json") => Ok(Format::Json),
        Some("txt") | None => Ok(Format::Text),
        Some(other) => Err(format!(
            "a report is not written as .{other}: name the file .html (a browser prints it to PDF), .json or .txt, or give --format"
        )),
    }
}

fn taken(path: &Path) -> CommandError {
    CommandError::failed(format!("{}: it is there already; name another file, or give --force to replace it", path.display()))
}

/// Somebody who reads no further (`| head`) is no error.
fn done(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::failed(format!("cannot write: {error}"))),
        _ => Ok(()),
    }
}

fn read_span(span: Span) -> read::Span {
    read::Span::new(Some(span.since.0), Some(span.until.0))
}

/// Nothing was found of the subject: whether anybody knows it at all.
async fn tell_unknown(which: &WhichArgs, span: Span, place: &RecordPlace) -> Result<(), CommandError> {
    let span = read_span(span);
    let asked = Asked::of(which, &which.filter(which.user.clone()));
    for words in asked.explain(place, &span).await? {
        note(&format!("{}\n", plain(&words)));
    }
    Ok(())
}

impl SubjectArgs {
    /// Whom they name, with people by their ids; and the same as conditions.
    fn find(self, folder: &read::RecordFolder) -> Result<(Subject, WhichArgs), CommandError> {
        let subject = self.subject().ok_or_else(|| CommandError::usage("name a --device, a --user or a --session"))?;
        let mut which = WhichArgs::default();
        let subject = match subject {
            Subject::User(user) => {
                let ids = people::ids(folder, std::slice::from_ref(&user))?;
                let [id] = ids.as_slice() else {
                    let ids = ids.join("\n  --user ");
                    return Err(CommandError::usage(format!(
                        "several people have the address `{user}`; name one:\n  --user {ids}"
                    )));
                };
                Subject::User(id.clone())
            }
            named => named,
        };
        match &subject {
            Subject::Device(id) => which.device.push(id.clone()),
            Subject::User(id) => which.user.push(id.clone()),
            Subject::Session(id) => which.session.push(id.clone()),
        }
        Ok((subject, which))
    }
}

/// The command as it was typed, so that it can be typed again.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let quoted = words.map(|word| {
        let safe = |letter: char| letter.is_alphanumeric() || "-_=./:@,+%".contains(letter);
        if !word.is_empty() && word.chars().all(safe) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    std::iter::once("sekisho".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_unknown| format!("`{name}` is no time zone: write one such as Europe/Berlin or UTC"))
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| "the time of this machine".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_is_a_format_or_an_error() {
        let of = |name: &str| by_name(Path::new(name));
        assert_eq!(
            [of("a.html"), of("a.HTM"), of("a.json"), of("a.txt"), of("a")],
            [Ok(Format::Html), Ok(Format::Html), Ok(Format::Json), Ok(Format::Text), Ok(Format::Text)]
        );
        assert!(of("incident.pdf").unwrap_err().contains("a browser prints it to PDF"));
    }
}
