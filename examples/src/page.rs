//! One plain look for every example page.

use std::fmt;

/// Text that is shown as it is, never as markup.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => write!(f, "{other}"),
        })
    }
}

/// A whole page. `app` and `title` are text; `accent` a CSS colour of ours; `aside` (who is signed in) and `body` are markup.
pub(crate) fn page(app: &str, title: &str, accent: &str, aside: &str, body: &str) -> String {
    let (app, title) = (Text(app), Text(title));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} - {app}</title><style>:root{{--accent:{accent}}}{STYLE}</style></head>\
         <body><header><div><strong>{app}</strong>{aside}</div></header><main>{body}</main></body></html>\n"
    )
}

/// Bytes as a person reads them: `24 KiB`, `1 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB"];
    let mut value = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while value >= 1024 && unit + 1 < units.len() {
        rest = value % 1024;
        value /= 1024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("GiB");
    match rest * 10 / 1024 {
        tenth @ 1.. if value < 10 => format!("{value}.{tenth} {name}"),
        _ => format!("{value} {name}"),
    }
}

const STYLE: &str = "*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1c2430;background:#f4f5f7}\
header{background:var(--accent);color:#fff;padding:.9rem 0}header>div{padding:0 1rem}header>div,main{max-width:46rem;margin:0 auto}\
header>div{display:flex;justify-content:space-between;gap:1rem;align-items:baseline;flex-wrap:wrap}header .who{font-size:.9rem;opacity:.92}\
main{padding:1.25rem 1rem 3rem}h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1rem}h2{font-size:1.05rem;margin:1.75rem 0 .5rem}\
a{color:var(--accent)}.card{background:#fff;border:1px solid #dde1e7;border-radius:10px;padding:1rem 1.25rem;margin:0 0 1rem}\
.note{background:#fff8e6;border-color:#ecd9a4}.muted{color:#5b6675;font-size:.9rem}table{width:100%;border-collapse:collapse}\
th{text-align:left;font-weight:600;font-size:.85rem;color:#5b6675}td,th{padding:.5rem .25rem;border-bottom:1px solid #e8ebef}\
tr:last-child td{border-bottom:0}.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
button{font:inherit;padding:.55rem 1rem;border:1px solid var(--accent);border-radius:8px;background:var(--accent);color:#fff;cursor:pointer}\
button.person{display:block;width:100%;text-align:left;background:#fff;color:inherit;border-color:#c8ced8;margin:0 0 .6rem}\
button.person:hover{border-color:var(--accent);box-shadow:0 0 0 1px var(--accent)}button.person span{display:block}\
input[type=text],input[type=password]{font:inherit;padding:.5rem .6rem;border:1px solid #c8ced8;border-radius:8px;width:100%}\
label{display:block;margin:.5rem 0}.row{display:flex;gap:.6rem;align-items:center}code{font-size:.9em;overflow-wrap:anywhere}\
nav{margin:0 0 .5rem;font-size:.9rem}ul.log{list-style:none;padding:0;margin:0;min-height:12rem}ul.log li{padding:.25rem 0}\
ul.log b{color:var(--accent)}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(Text("<a href='x'>&\"").to_string(), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1 GiB"), (12_345_678, "11 MiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
