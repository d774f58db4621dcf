//! A host with its port, as it stands in `Host`, `:authority` and absolute targets.

use super::refusal::ReadRefusal;
use crate::config::Host;

/// The host of `text`, whose port, if it has one, must be `public_port`.
pub(super) fn host(text: &str, public_port: u16) -> Result<Host, ReadRefusal> {
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
