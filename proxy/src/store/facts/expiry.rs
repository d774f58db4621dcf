//! What is said of devices does not count for ever.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::report::settle;
use super::source::FactSource;
use crate::clock::Timestamp;
use crate::inventory::DeviceId;
use crate::store::actor::{Actor, Note};
use crate::store::error::StoreError;
use crate::store::feed::{Subject, Writing};
use crate::store::registrar::Registrar;
use crate::store::rows;

impl Registrar {
    /// From now on, what these sources say counts for so long; `None`: they say for how long themselves. What others have said does
    /// not count any more, apart from what operators said and what was said at enrolment.
    ///
    /// What counts already is looked through only if a source's age has changed since the gate ran last.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_fact_ages(&self, ages: BTreeMap<FactSource, Option<Duration>>) -> Result<(), StoreError> {
        let me = self.clone();
        self.run(async move {
            let mut turn = me.begin(upkeep()).await?;
            if remember(&mut turn.writing, &ages).await? {
                me.commit(turn).await?;
                me.inner.next_fact_end.store(i64::MIN, Ordering::Release);
            }
            Ok(())
        })
        .await
    }

    /// Lets what is said of devices end in time, until it is dropped or aborted. `ended` is told how many facts of which source have.
    pub async fn tend_facts(self, ended: impl Fn(&str, u64) + Send) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            match self.let_facts_end().await {
                Ok(sources) => sources.iter().for_each(|(source, count)| ended(source, *count)),
                Err(error) => tracing::warn!(%error, "old facts about devices could not be taken out; tried again soon"),
            }
        }
    }

    /// Takes out what does not count any more; says how much of whom.
    ///
    /// # Errors
    /// [`StoreError`]; what was not taken out is taken out next time.
    pub async fn let_facts_end(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        // What has ended by a clock that cannot be believed may not have ended.
        let Ok(now) = self.inner.clock.look() else { return Ok(BTreeMap::new()) };
        if now.0 < self.inner.next_fact_end.load(Ordering::Acquire) {
            return Ok(BTreeMap::new());
        }
        let me = self.clone();
        self.run(async move {
            let mut sources = BTreeMap::new();
            loop {
                let mut turn = me.begin(upkeep()).await?;
                let devices = rows::devices_of_ending_facts(turn.writing.db(), now, BATCH).await?;
                if devices.is_empty() {
                    let next = rows::next_end(turn.writing.db()).await?;
                    // While the turn is ours, nobody else puts it earlier.
                    me.inner.next_fact_end.store(next.map_or(i64::MAX, |Timestamp(next)| next), Ordering::Release);
                    return Ok(sources);
                }
                for id in devices {
                    end(&mut turn.writing, id, now, &mut sources).await?;
                }
                me.commit(turn).await?;
            }
        })
        .await
    }
}

async fn end(w: &mut Writing, id: DeviceId, now: Timestamp, sources: &mut BTreeMap<String, u64>) -> Result<(), StoreError> {
    let ended = rows::end_facts(w.db(), &id, now).await?;
    let all = rows::facts_of(w.db(), &id).await?;
    if let Some(mut device) = rows::device(w.db(), id.as_str()).await? {
        settle(&mut device, &all);
        rows::put_device(w.db(), &device).await?;
    }
    let words: Vec<String> = ended.iter().map(|(name, source)| format!("{name} of {source}")).collect();
    w.note(Note::new(&Actor::System("posture"), &words.join(", ")));
    w.changed(&Subject::Device(id), FACTS_ENDED).await?;
    for (_, source) in ended {
        *sources.entry(source).or_default() += 1;
    }
    Ok(())
}

/// Whether something is different from when the gate ran last.
async fn remember(w: &mut Writing, ages: &BTreeMap<FactSource, Option<Duration>>) -> Result<bool, StoreError> {
    let known: Vec<(String, i64)> = sqlx::query_as("SELECT source, max_age FROM fact_sources").fetch_all(w.db()).await?;
    let known: BTreeMap<String, i64> = known.into_iter().collect();
    let wanted: BTreeMap<&str, i64> = ages.iter().map(|(source, age)| (source.as_str(), millis(*age))).collect();
    let mut changed = false;
    for source in known.keys().filter(|source| !wanted.contains_key(source.as_str())) {
        sqlx::query("UPDATE device_facts SET ends_at = ? WHERE source = ? AND ended = 0")
            .bind(w.now.0)
            .bind(source)
            .execute(w.db())
            .await?;
        sqlx::query("DELETE FROM fact_sources WHERE source = ?").bind(source).execute(w.db()).await?;
        changed = true;
    }
    for (source, age) in wanted {
        if known.get(source) == Some(&age) {
            continue;
        }
        if age != FOR_ITSELF {
            sqlx::query("UPDATE device_facts SET ends_at = at + ? WHERE source = ? AND ended = 0")
                .bind(age)
                .bind(source)
                .execute(w.db())
                .await?;
        }
        sqlx::query(
            "INSERT INTO fact_sources (source, max_age) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET max_age = excluded.max_age",
        )
        .bind(source)
        .bind(age)
        .execute(w.db())
        .await?;
        changed = true;
    }
    Ok(changed)
}

fn millis(age: Option<Duration>) -> i64 {
    age.map_or(FOR_ITSELF, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 4))
}

fn upkeep() -> Note {
    Note::new(&Actor::System("posture"), "")
}

/// Stands for a source that says for how long its word counts.
const FOR_ITSELF: i64 = -1;
/// What the feed says of a device of which something does not count any more.
const FACTS_ENDED: &str = "facts expired";
/// Something ends at most this much later than it should.
const BEAT: Duration = Duration::from_secs(1);
/// Facts that are looked at in one transaction.
const BATCH: i64 = 256;
