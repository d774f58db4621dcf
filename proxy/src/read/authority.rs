//! A host with its port, as it stands in `Host`, `:authority` and absolute targets.

use std::cell::RefCell;

use super::refusal::ReadRefusal;
use crate::config::Host;

/// The host that a connection asked for last. It mostly asks for the same again, written in the same way.
#[derive(Debug, Default)]
pub struct LastHost(RefCell<Option<Written>>);

/// A host, and how it was written.
#[derive(Debug)]
struct Written {
    text: Box<str>,
    /// The port that was ours then.
    public_port: u16,
    host: Host,
}

impl LastHost {
    /// The host of `text`, whose port, if it has one, must be `public_port`.
    pub(super) fn read(&self, text: &str, public_port: u16) -> Result<Host, ReadRefusal> {
        let mut last = self.0.borrow_mut();
        if let Some(written) = &*last
            && *written.text == *text
            && written.public_port == public_port
        {
            return Ok(written.host.clone());
        }
        let host = host(text, public_port)?;
        *last = Some(Written { text: text.into(), public_port, host: host.clone() });
        Ok(host)
    }
}

fn host(text: &str, public_port: u16) -> Result<Host, ReadRefusal> {
    if text.contains('@') {
        return Err(ReadRefusal::Userinfo);
    }
    let (name, port) = match text.rsplit_once(':') {
        // In `[::1]` the last colon belongs to the address.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let name = name.parse().map_err(|_invalid| ReadRefusal::Host)?;
    if let Some(port) = port {
        let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        match port.parse::<u16>() {
            Ok(port) if plain && port == public_port => {}
            Ok(_) if plain => return Err(ReadRefusal::Port),
            _ => return Err(ReadRefusal::Host),
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_our_port_or_none() {
        for (text, name) in [
            ("app.test", "app.test"),
            ("APP.test.", "app.test"),
            ("app.test:443", "app.test"),
            ("[::1]:443", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:443", "127.0.0.1"),
        ] {
            assert_eq!(host(text, 443).map(|host| host.to_string()), Ok(name.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_was_asked_for_last_is_known_by_the_very_same_words() {
        let last = LastHost::default();
        let app = Ok("app.test".parse().unwrap());
        assert_eq!(last.read("APP.test:443", 443), app);
        assert_eq!(last.read("APP.test:443", 443), app);
        assert_eq!(last.read("APP.test:443", 444), Err(ReadRefusal::Port), "the port changed with the configuration");
        assert_eq!(last.read("app.test:444", 443), Err(ReadRefusal::Port));
        assert_eq!(last.read("other.test", 443), Ok("other.test".parse().unwrap()));
        assert_eq!(last.read("app.test", 443), app);
    }

    #[test]
    fn anything_else_is_refused() {
        use ReadRefusal as R;
        for (text, refusal) in [
            ("", R::Host),
            (":443", R::Host),
            ("app.test:", R::Host),
            ("app.test:0443", R::Host),
            ("app.test:99999", R::Host),
            ("app.test:443443", R::Host),
            ("app.test:80a", R::Host),
            ("app.test:444", R::Port),
            ("user@app.test", R::Userinfo),
            ("app.test, admin.test", R::Host),
            ("app.test/admin", R::Host),
            ("app%2etest", R::Host),
            ("[::1", R::Host),
            ("::1", R::Host),
            ("a:443:443", R::Host),
        ] {
            assert_eq!(host(text, 443), Err(refusal), "{text}");
        }
    }
}
