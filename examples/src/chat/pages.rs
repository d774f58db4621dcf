//! The page and its script.

use crate::page::{Text, page};

/// The room, for one person.
pub(super) fn room(title: &str, who: &str) -> String {
    let body = "<h1>Everybody on site</h1><div class=\"card\"><ul class=\"log\" id=\"log\"></ul></div>\
                <form class=\"row\" id=\"say\"><input type=\"text\" id=\"words\" aria-label=\"Message\" autocomplete=\"off\" maxlength=\"2000\">\
                <button>Send</button></form><p class=\"muted\" id=\"state\">Connecting…</p><script src=\"/chat.js\" defer></script>";
    page(title, "Everybody on site", "#7a3b2e", &format!("<span class=\"who\">{}</span>", Text(who)), body)
}

/// Talks to `/ws`, and says so when the connection ends.
pub(super) const SCRIPT: &str = "const log = document.getElementById('log');
const state = document.getElementById('state');
const words = document.getElementById('words');
const socket = new WebSocket(`wss://${location.host}/ws`.replace(/^wss/, location.protocol === 'https:' ? 'wss' : 'ws'));
socket.onopen = () => { state.textContent = 'Connected'; };
socket.onclose = () => { state.textContent = 'The connection has ended'; };
socket.onmessage = (event) => {
  const { who, does, text } = JSON.parse(event.data);
  const line = document.createElement('li');
  const name = document.createElement('b');
  name.textContent = who;
  line.append(name, does === 'says' ? `: ${text}` : ` ${does}`);
  log.append(line);
  while (log.children.length > 200) log.firstChild.remove();
};
document.getElementById('say').addEventListener('submit', (event) => {
  event.preventDefault();
  if (words.value && socket.readyState === WebSocket.OPEN) socket.send(words.value);
  words.value = '';
});
";
