//! "Did you mean": the known word that is nearest to a written one.

/// The known name that is nearest to `wrong`, if one is near, as a question.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let (distance, best) = known.into_iter().map(|name| (distance(wrong, name), name)).min()?;
    (distance <= 1 + wrong.chars().count() / 4).then(|| format!("did you mean `{best}`?"))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in (1..).zip(a.chars()) {
        let mut diagonal = i - 1;
        let mut left = i;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let here = (*cell + 1).min(left + 1).min(diagonal + usize::from(from != *to));
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("share", "shaer", 2), ("wiki", "wiki", 0)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_is_meant() {
        assert_eq!(did_you_mean("wikki", ["share", "wiki"]).as_deref(), Some("did you mean `wiki`?"));
        assert_eq!(did_you_mean("payroll", ["share", "wiki"]), None);
    }
}
