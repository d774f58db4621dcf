//! The app's pages.

use std::fmt::Write as _;

use super::catalogue::{FOLDERS, Folder};
use super::uploads::Upload;
use crate::page::{Text, page, size};

/// For whom a page is made.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    /// The app's name.
    pub(super) title: &'a str,
    /// The person, as the gate says.
    pub(super) who: String,
}

impl View<'_> {
    /// All folders.
    pub(super) fn home(&self) -> String {
        let mut body = String::from("<h1>Projects</h1><div class=\"card\"><table>");
        for folder in FOLDERS {
            let _ = write!(
                body,
                "<tr><td><a href=\"/files/{0}/\">{0}</a><br><span class=\"muted\">{1}</span></td><td class=\"num\">{2}</td></tr>",
                folder.name,
                folder.about,
                if folder.files.len() == 1 { "1 file".to_owned() } else { format!("{} files", folder.files.len()) },
            );
        }
        body.push_str(
            "</table></div><p class=\"muted\"><a href=\"/admin/\">Administration</a> · <a href=\"/headers\">What the gate \
                       tells this app</a> · <a href=\"/slow\">A slow stream</a></p>",
        );
        self.shell("Projects", &body)
    }

    /// One folder, with what was uploaded to it.
    pub(super) fn folder(&self, folder: &Folder, uploads: &[Upload]) -> String {
        let mut body = format!(
            "<nav><a href=\"/\">Projects</a> / {}</nav><h1>{}</h1><div class=\"card\"><table>",
            folder.name, folder.about
        );
        for (name, bytes) in folder.files {
            let href = format!("/files/{}/{name}", folder.name);
            let _ = write!(body, "<tr><td><a href=\"{href}\">{name}</a></td><td class=\"num\">{}</td></tr>", size(*bytes));
        }
        let _ = write!(
            body,
            "</table></div><h2>Add a file</h2><form class=\"card row\" id=\"upload\" data-folder=\"{}\"><input type=\"file\" required>\
             <button>Upload</button><output class=\"muted\"></output></form><script src=\"/upload.js\" defer></script>",
            folder.name
        );
        if !uploads.is_empty() {
            let _ = write!(body, "<h2>Uploaded</h2><div class=\"card\">{}</div>", table(uploads));
        }
        self.shell(folder.name, &body)
    }

    /// The page that only administrators should get to: the policy says so, not the app.
    pub(super) fn admin(&self, uploads: &[Upload]) -> String {
        let listed = if uploads.is_empty() { "<p class=\"muted\">None yet.</p>".to_owned() } else { table(uploads) };
        let body = format!(
            "<nav><a href=\"/\">Projects</a> / Administration</nav><h1>Administration</h1><h2>Latest uploads</h2>\
                            <div class=\"card\">{listed}</div>"
        );
        self.shell("Administration", &body)
    }

    /// For names that are not there.
    pub(super) fn missing(&self) -> String {
        self.shell(
            "Not found",
            "<h1>Not found</h1><p class=\"card\">There is nothing of that name. <a href=\"/\">All projects</a></p>",
        )
    }

    fn shell(&self, title: &str, body: &str) -> String {
        page(self.title, title, "#1d5c63", &format!("<span class=\"who\">{}</span>", Text(&self.who)), body)
    }
}

fn table(uploads: &[Upload]) -> String {
    let mut table = String::from("<table><tr><th>File</th><th>By</th><th class=\"num\">Size</th></tr>");
    for upload in uploads {
        let Upload { folder, name, by, bytes } = upload;
        let _ = write!(
            table,
            "<tr><td>{}/{}</td><td>{}</td><td class=\"num\">{}</td></tr>",
            Text(folder),
            Text(name),
            Text(by),
            size(*bytes)
        );
    }
    table.push_str("</table>");
    table
}

/// Sends the chosen file as the body of one request.
pub(super) const UPLOAD_SCRIPT: &str = "const form = document.getElementById('upload');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const file = form.querySelector('input').files[0];
  const out = form.querySelector('output');
  out.textContent = 'Sending…';
  const target = `/files/${form.dataset.folder}/${encodeURIComponent(file.name)}`;
  const answer = await fetch(target, { method: 'POST', body: file }).catch(() => null);
  if (answer && answer.ok) location.reload();
  else out.textContent = answer ? `Refused (${answer.status})` : 'The connection broke off';
});
";
