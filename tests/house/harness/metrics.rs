//! One scrape.

/// The text of a scrape, and its numbers.
pub(crate) struct Metrics {
    pub(crate) text: String,
}

impl Metrics {
    pub(crate) fn parse(text: String) -> Self {
        Self { text }
    }

    /// The sum of a metric's samples that carry all these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (metric, own) = series.split_once('{').unwrap_or((series, ""));
            let carries = labels.iter().all(|(key, value)| own.contains(&format!("{key}=\"{value}\"")));
            (metric == name && carries).then(|| value.parse::<f64>().unwrap())
        });
        samples.sum()
    }
}
