//! "Did you mean …": the known names that are closest to an unknown one.

/// At most three known names that could have been meant.
pub fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut close: Vec<(usize, &str)> = known
        .filter_map(|name| {
            let within = 1 + wanted.len() / 4;
            if name.len().abs_diff(wanted.len()) <= within {
                let distance = strsim::osa_distance(wanted, name);
                return (distance <= within).then_some((distance, name));
            }
            (wanted.len() >= 3 && name.contains(wanted)).then_some((usize::MAX, name))
        })
        .collect();
    close.sort_unstable();
    close.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The same as words to put behind an error, empty if nothing is near.
pub fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [only] => format!("; did you mean `{only}`?"),
        several => format!("; did you mean one of `{}`?", several.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_offered_and_others_are_not() {
        let known = ["lap-7", "lap-17", "server-1", "ana-laptop"];
        assert_eq!(near("lap7", known.into_iter()), ["lap-7", "lap-17"]);
        assert_eq!(near("laptop", known.into_iter()), ["ana-laptop"]);
        assert_eq!(near("phone", known.into_iter()), Vec::<String>::new());
    }
}
