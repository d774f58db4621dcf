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

#[cfg(test)]
mod tests {
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
}
