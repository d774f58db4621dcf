//! Groups and users of the operating system, by name and number.

use std::fs;

/// The number of a group: the name's line in `/etc/group`, or the number itself. Groups of a directory service have no line there:
/// for them, write the number.
pub fn group_id(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    lines(&fs::read_to_string(GROUPS).ok()?).find(|(known, _)| *known == name).map(|(_, number)| number)
}

/// The name of a group, or its number where no name is known.
pub fn group_name(number: u32) -> String {
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    lines(&groups).find(|(_, known)| *known == number).map_or_else(|| number.to_string(), |(name, _)| name.to_owned())
}

/// The name of a user, where `/etc/passwd` has one.
pub(super) fn user_name(number: u32) -> Option<String> {
    let users = fs::read_to_string(USERS).ok()?;
    lines(&users).find(|(_, known)| *known == number).map(|(name, _)| name.to_owned())
}

/// Name and number of each line; see group(5) and passwd(5), which begin alike.
fn lines(groups: &str) -> impl Iterator<Item = (&str, u32)> {
    groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name, number.parse().ok()?))
    })
}

const GROUPS: &str = "/etc/group";
const USERS: &str = "/etc/passwd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_and_a_number() {
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(group_id("4711"), Some(4711));
        assert_eq!(group_id("no-such-group"), None);
        assert_eq!(group_name(0), "root");
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(4_000_000_000), None);
        assert_eq!(lines("a:x:1:\nbroken\nb:x:two:\nc:x:3:d,e").collect::<Vec<_>>(), [("a", 1), ("c", 3)]);
    }
}
