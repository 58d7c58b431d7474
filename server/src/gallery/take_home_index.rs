//! What lies beside the files that are taken home: a page that shows them, and a note.
//!
//! Names and titles come from participants, so whatever is put into the page is escaped.

use std::fmt::Write as _;

use app::format;
use domain::SeatId;
use workshop::files::media_type;
use workshop::take_home::TakeHomeFile;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
ul{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1rem}\
img,video{width:100%;height:12rem;object-fit:contain;background:#8882}audio{width:100%}small{color:#777}";

/// A page that works from the disk: it lists and shows all files of the archive.
pub(super) fn index_html(workshop: &str, seat: SeatId, files: &[TakeHomeFile]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{seat}, {title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>Everything that {seat} made.</p>\n",
        title = escaped(workshop),
    );
    for (heading, folder) in
        [("Results", "output/"), ("Workflows and settings", "user/"), ("Inputs", "input/")]
    {
        let inside: Vec<_> = files.iter().filter(|file| file.path.starts_with(folder)).collect();
        if inside.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<h2>{heading}</h2><ul>");
        for file in inside {
            let href = escaped(&href(&file.path));
            let shown = match media_type(&file.path).split('/').next() {
                Some("image") => format!("<img loading=\"lazy\" alt=\"\" src=\"{href}\">"),
                Some("video") => format!("<video controls preload=\"metadata\" src=\"{href}\"></video>"),
                Some("audio") => format!("<audio controls preload=\"none\" src=\"{href}\"></audio>"),
                _ => String::new(),
            };
            let _ = writeln!(
                page,
                "<li>{shown}<a href=\"{href}\">{}</a><br><small>{} {} · {}</small>",
                escaped(file.path.strip_prefix(folder).unwrap_or(&file.path)),
                escaped(&file.title),
                format::bytes(file.bytes),
                format::absolute(file.made_at),
            );
        }
        page.push_str("</ul>\n");
    }
    page
}

/// How to go on at home.
pub(super) fn readme(workshop: &str, seat: SeatId, files: &[TakeHomeFile]) -> String {
    let bytes = files.iter().map(|file| file.bytes).sum();
    format!(
        "{workshop}\n\nEverything of {seat}: {} files, {}.\nOpen index.html to look at them.\n\n\
         output/          your results; pictures hold the workflow that made them: drop one into ComfyUI\n\
         user/workflows/  your saved workflows\n\
         user/comfy.settings.json  your settings of the editor\n\n\
         To go on with your own ComfyUI, copy what is in user/ into its folder user/default/.\n",
        files.len(),
        format::bytes(bytes),
    )
}

/// The address of a file relative to the page.
fn href(path: &str) -> String {
    path.split('/').map(format::query_value).collect::<Vec<_>>().join("/")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use workshop::files::SeatPath;
    use workshop::take_home::TakeHomeSource;

    use super::*;

    #[test]
    fn no_name_becomes_part_of_the_page() {
        let file = TakeHomeFile {
            path: "output/\"><script>x</script>&.png".to_owned(),
            source: TakeHomeSource::User(SeatPath::default()),
            bytes: 1_400,
            made_at: Timestamp::from_unix_ms(0),
            title: "<b>".to_owned(),
        };
        let page = index_html("A & B", SeatId::new(7).unwrap(), &[file]);
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("A &amp; B") && page.contains("&lt;b&gt; 1.4 kB"), "{page}");
        assert!(page.contains("src=\"output/%22%3E%3Cscript%3Ex%3C/script%3E%26.png\""), "{page}");
    }
}
