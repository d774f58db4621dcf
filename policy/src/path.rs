//! A path and the paths above it, by segment.

/// Paths of more segments cannot be decided on: the set of their prefixes grows with the square of their length.
pub const MAX_PATH_SEGMENTS: usize = 64;

/// `/`, each path above `path`, and `path` itself; `None` beyond [`MAX_PATH_SEGMENTS`].
pub(crate) fn prefixes(path: &str) -> Option<Vec<&str>> {
    let mut found = vec!["/"];
    for (at, _) in path.match_indices('/') {
        if found.len() >= MAX_PATH_SEGMENTS {
            return None;
        }
        match path.get(..at) {
            Some("") | None => {}
            Some(above) => found.push(above),
        }
    }
    if path != "/" {
        found.push(path);
    }
    Some(found)
}

/// Whether [`prefixes`] has an answer.
pub(crate) fn is_short_enough(path: &str) -> bool {
    // Most paths have fewer bytes than that, and so no need to be looked at.
    path.len() < MAX_PATH_SEGMENTS
        || path.bytes().filter(|&byte| byte == b'/').count() < MAX_PATH_SEGMENTS + usize::from(path.starts_with('/'))
}

/// Whether `above` is among the [`prefixes`] of `path`: the path itself, or one above it.
pub(crate) fn is_at_or_under(path: &str, above: &str) -> bool {
    above == "/" || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || (rest.starts_with('/') && !above.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_end_where_segments_end() {
        assert_eq!(prefixes("/"), Some(vec!["/"]));
        assert_eq!(prefixes("/admin"), Some(vec!["/", "/admin"]));
        assert_eq!(prefixes("/admin/users"), Some(vec!["/", "/admin", "/admin/users"]));
        assert_eq!(prefixes("/admin/"), Some(vec!["/", "/admin", "/admin/"]));
        assert!(!prefixes("/administrator").unwrap().contains(&"/admin"));
    }

    #[test]
    fn endless_paths_have_no_prefixes() {
        assert!(prefixes(&"/a".repeat(MAX_PATH_SEGMENTS)).is_some());
        assert!(prefixes(&"/a".repeat(MAX_PATH_SEGMENTS + 1)).is_none());
    }

    proptest! {
        #[test]
        fn one_prefix_is_found_without_making_them_all(path in "[/a]{0,12}", above in "[/a]{0,6}") {
            prop_assert_eq!(is_at_or_under(&path, &above), prefixes(&path).unwrap().contains(&above.as_str()));
        }

        #[test]
        fn length_is_judged_without_making_them_all(path in "a?(/|/a){55,70}") {
            prop_assert_eq!(is_short_enough(&path), prefixes(&path).is_some());
        }
    }
}
