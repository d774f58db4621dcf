//! `like`: literal pieces with anything between them.

use cedar_policy::pst::PatternElem;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// No `*`.
    Exactly(Box<str>),
    /// What stands before the first `*`, between two, and after the last.
    Pieces { first: Box<str>, middle: Box<[Box<str>]>, last: Box<str> },
}

impl Pattern {
    pub(crate) fn new(elements: &[PatternElem]) -> Self {
        let mut pieces = vec![String::new()];
        for element in elements {
            match (element, pieces.last_mut()) {
                (PatternElem::Char(char), Some(piece)) => piece.push(*char),
                _ => pieces.push(String::new()),
            }
        }
        let last = pieces.pop().unwrap_or_default().into_boxed_str();
        let mut pieces = pieces.into_iter().map(String::into_boxed_str);
        match pieces.next() {
            None => Self::Exactly(last),
            Some(first) => Self::Pieces { first, middle: pieces.filter(|piece| !piece.is_empty()).collect(), last },
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(whole) => **whole == *text,
            Self::Pieces { first, middle, last } => {
                let between = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last));
                between.is_some_and(|rest| in_order(rest, middle))
            }
        }
    }
}

/// Whether the pieces come one after the other. The first place where each can be is the best for those after it.
fn in_order(text: &str, pieces: &[Box<str>]) -> bool {
    let mut rest = text;
    for piece in pieces {
        match rest.split_once(&**piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let element = |char| if char == '*' { PatternElem::Wildcard } else { PatternElem::Char(char) };
        Pattern::new(&text.chars().map(element).collect::<Vec<_>>())
    }

    #[test]
    fn pieces_are_found_in_order_and_do_not_overlap() {
        for (like, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*a", "aa"),
            ("*a*b*", "xaxbx"),
            ("**", "é"),
            ("a**b", "a*b"),
        ] {
            assert!(pattern(like).matches(text), "{text} like {like}");
        }
        for (like, text) in [("", "a"), ("a", "A"), ("a*", "ba"), ("a*a", "a"), ("*b*a*", "ab"), ("ab*ba", "aba"), ("é", "e")] {
            assert!(!pattern(like).matches(text), "{text} not like {like}");
        }
    }
}
