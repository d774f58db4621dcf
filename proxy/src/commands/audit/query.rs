//! `sekisho audit query`: what is in the record of a device, a person, a session, an app, a time.

use std::collections::VecDeque;

use clap::Args;

use super::format::{FormatArgs, Out, Writer};
use super::people;
use super::place::RecordArgs;
use super::unknown::Asked;
use super::which::WhichArgs;
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::output::{note, plain};
use crate::commands::when::{Told, WhenArgs};
use crate::record::read::{Entry, Requests, Span};

/// Requests and events of the record, with how each ended
#[derive(Debug, Args)]
#[command(
    after_help = "Conditions of one kind are alternatives; kinds must all be met. A request whose end is not in the record shows ≥ the bytes that surely went, and `open` or `unknown`.\n\
    Exit codes: 0 also if nothing is found; 3 if a device, person, session, app, host, reason, policy or request is asked about that nobody knows.\n\n\
    Examples:\n  sekisho audit query --device ana-7k2q --since yesterday\n  \
    sekisho audit query --user ana@corp.example --app crm --path /customers --decision allow\n  \
    sekisho audit query --dir /mnt/evidence/audit --since \"2026-11-20 14:30\" --until 2026-11-21 --json"
)]
pub(super) struct QueryCommand {
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    which: WhichArgs,
    /// Only the first so many
    #[arg(long, value_name = "N", conflicts_with = "last")]
    limit: Option<u64>,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    format: FormatArgs,
}

impl QueryCommand {
    /// Asks, and prints what is found.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let place = self.record.find()?;
        let span = self.when.span(Clock::system().now(), &place.zone)?;
        let users = people::ids(&place.folder, &self.which.user)?;
        let filter = self.which.filter(users);
        let mut asked = Asked::of(&self.which, &filter);
        let mut requests = place.folder.requests(filter, span).map_err(CommandError::failed)?;
        let writer = self.format.format().writer(&place.zone);
        let mut answer = Answer { writer, out: Out::new(), text: Vec::new(), reader: true, found: 0 };
        answer.take(&mut requests, &mut asked, self.limit, self.last)?;
        let (found, cut_short) = (answer.found, !answer.reader || self.limit.is_some_and(|limit| answer.found >= limit));
        drop(answer);
        told(&requests);
        if let Some((files, first, last)) = place.folder.deleted(&span).map_err(CommandError::failed)? {
            note(&format!("{files} files of that time were deleted, and what they had is not here: from {first} to {last}\n"));
        }
        if cut_short {
            return Ok(());
        }
        let notes = asked.explain(&place, &span).await?;
        for words in &notes {
            note(&format!("{}\n", plain(words)));
        }
        if found == 0 && notes.is_empty() {
            let when = if span == Span::default() { String::new() } else { format!(" {}", Told(&span)) };
            note(&format!("nothing found{when} in the record, {}\n", place.extent()?));
        }
        Ok(())
    }
}

struct Answer {
    writer: Box<dyn Writer>,
    out: Out,
    text: Vec<u8>,
    /// Whether anybody still reads.
    reader: bool,
    found: u64,
}

impl Answer {
    fn take(
        &mut self,
        requests: &mut Requests,
        asked: &mut Asked,
        limit: Option<u64>,
        last: Option<usize>,
    ) -> Result<(), CommandError> {
        let mut kept: VecDeque<Entry> = VecDeque::new();
        while self.reader && limit.is_none_or(|limit| self.found < limit) {
            let Some(entry) = requests.next_entry().map_err(CommandError::failed)? else { break };
            asked.saw(&entry);
            self.found += 1;
            match last {
                None => self.write(&entry)?,
                Some(last) => {
                    kept.push_back(entry);
                    if kept.len() > last {
                        kept.pop_front();
                    }
                }
            }
        }
        for entry in &kept {
            self.write(entry)?;
        }
        self.writer.finish(&mut self.text);
        self.hand_on()?;
        self.reader &= self.out.flush()?;
        Ok(())
    }

    fn write(&mut self, entry: &Entry) -> Result<(), CommandError> {
        self.writer.entry(entry, &mut self.text)?;
        self.hand_on()
    }

    fn hand_on(&mut self) -> Result<(), CommandError> {
        self.reader = self.reader && self.out.write(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

/// What of the record could not be read, if anything.
fn told(requests: &Requests) {
    let tally = requests.tally();
    let unreadable = tally.foreign + requests.unreadable();
    for (count, what) in [
        (unreadable, "lines are no lines of the record, or were changed, and are left out"),
        (tally.damaged, "compressed files are damaged; what follows the damage is left out"),
        (tally.gone, "files were deleted while they were to be read"),
    ] {
        if count > 0 {
            note(&format!("{count} {what}: see `sekisho audit verify`\n"));
        }
    }
}
