//! "Did you mean": the known word that is nearest to a written one.

/// The nearest of `known`, if it is near enough to be a slip of the hand.
pub(in crate::config) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let tolerated = (written.chars().count() / 3).clamp(1, 3);
    let scored = known.iter().map(|&word| (distance(written, word), word));
    scored.filter(|(distance, _)| *distance <= tolerated).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Levenshtein distance: insertions, deletions and replacements of one character.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, a) in a.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (b, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != *b)).min(left + 1).min(above + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("tls", "tls", 0)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["upstream", "host", "public"];
        assert_eq!(nearest("upstreams", &known), Some("upstream"));
        assert_eq!(nearest("hots", &known), None, "two characters of four are another word");
        assert_eq!(nearest("hosts", &known), Some("host"));
        assert_eq!(nearest("password", &known), None);
    }
}
