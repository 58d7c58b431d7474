use std::io::Write;

use super::*;

fn from_file(text: &str) -> Settings {
    Settings::from_parts(text, [])
}

fn problems(settings: Settings) -> Vec<String> {
    settings.finish().map_or_else(|error| error.problems, |()| Vec::new())
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let environment = [("SEATS".to_owned(), "3".to_owned()), ("PATH".to_owned(), "/bin".to_owned())];
    let mut settings = Settings::from_parts("SEATS=2\nREDIS_PORT=7000 # ours\n", environment);
    assert_eq!(settings.number("SEATS", 1..=500), 3);
    assert_eq!(settings.port("REDIS_PORT"), 7000);
    assert_eq!(settings.port("COMFYUI_PORT"), 8188);
    assert_eq!(problems(settings), Vec::<String>::new());
}

#[test]
fn an_empty_value_is_none() {
    let environment = [("SEATS".to_owned(), String::new())];
    let mut settings = Settings::from_parts("ADMIN_PASSWORD=\nSEATS=4\n", environment);
    assert_eq!(settings.secret("ADMIN_PASSWORD"), None);
    assert_eq!(settings.number("SEATS", 1..=500), 4);
}

#[test]
fn unknown_names_are_refused_with_a_suggestion() {
    let found = problems(from_file("SEAT=3\nADMIN_PASWORD_FILE=x\nCOLOUR_OF_THE_SKY=blue\n"));
    assert_eq!(
        found,
        [
            "SEAT in `.env` is not a setting; did you mean SEATS?",
            "ADMIN_PASWORD_FILE in `.env` is not a setting; did you mean ADMIN_PASSWORD_FILE?",
            "COLOUR_OF_THE_SKY in `.env` is not a setting; see .env.example for all of them",
        ]
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut settings =
        from_file("SEATS=501\nMAX_PROMPT_BYTES=big\nCOMFYUI_PORT=0\nLOG_FORMAT=xml\nSEATS=1\n");
    settings.number("SEATS", 1..=500);
    settings.bytes("MAX_PROMPT_BYTES");
    settings.port("COMFYUI_PORT");
    settings.parsed::<crate::logging::LogFormat>("LOG_FORMAT");
    let error = settings.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the settings cannot be used:\n  \
         - SEATS is set twice in `.env`\n  \
         - SEATS=501 is not valid: it is not a whole number from 1 to 500\n  \
         - MAX_PROMPT_BYTES=big is not valid: it is not a size such as 20MiB or 1048576\n  \
         - COMFYUI_PORT=0 is not valid: it is not a port from 1 to 65535\n  \
         - LOG_FORMAT=xml is not valid: it is neither `text` nor `json`"
    );
}

#[test]
fn a_line_that_cannot_be_read_is_named_but_not_quoted() {
    let found = problems(from_file("SEATS=3\nADMIN_PASSWORD = 'hunter2\n"));
    assert_eq!(found, ["line 2 of `.env` is not of the form NAME=value"]);
}

#[test]
fn secrets_come_from_files_too() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let line = format!("ADMIN_PASSWORD_FILE={}\n", file.path().display());
    let mut settings = from_file(&line);
    assert_eq!(settings.secret("ADMIN_PASSWORD"), Some(Secret::new("hunter2")));
    settings.finish().unwrap();

    // The environment's own value wins over the file's.
    let environment = [("ADMIN_PASSWORD".to_owned(), "swordfish".to_owned())];
    let mut settings = Settings::from_parts(&line, environment);
    assert_eq!(settings.secret("ADMIN_PASSWORD"), Some(Secret::new("swordfish")));
    settings.finish().unwrap();
}

#[test]
fn a_secret_set_twice_or_nowhere_is_told() {
    let mut settings = from_file("ADMIN_PASSWORD=a\nADMIN_PASSWORD_FILE=b\nREDIS_URL_FILE=/does/not/exist\n");
    settings.secret("ADMIN_PASSWORD");
    settings.secret("REDIS_URL");
    settings.required_secret("WORKER_TOKEN", "take it from the server");
    assert_eq!(
        problems(settings),
        [
            "ADMIN_PASSWORD and ADMIN_PASSWORD_FILE are both set: keep one of them",
            "REDIS_URL_FILE=/does/not/exist is not valid: the file cannot be read: \
             No such file or directory (os error 2)",
            "WORKER_TOKEN (or WORKER_TOKEN_FILE) is not set: take it from the server",
        ]
    );
}

#[test]
fn a_bad_secret_is_not_shown() {
    let mut settings = from_file("REDIS_URL=hunter2@host\n");
    settings.secret_url("REDIS_URL", &["redis", "rediss"]);
    assert_eq!(problems(settings), ["REDIS_URL is not valid: it is not of the form redis://… or rediss://…"]);
}

/// `# NAME=default` in `.env.example`, uncommented.
fn example() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example")).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| {
            let setting = line.strip_prefix("# ").filter(|rest| {
                rest.split_once('=').is_some_and(|(name, _)| {
                    name.bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
                })
            });
            assert!(setting.is_some() || line.is_empty() || line.starts_with('#'), "an active line: {line}");
            format!("{}\n", setting.unwrap_or(line))
        })
        .collect();
    dotenvy::from_read_iter(uncommented.as_bytes()).map(Result::unwrap).collect()
}

#[test]
fn the_example_file_and_the_table_are_equal() {
    let table: Vec<_> = SETTINGS
        .iter()
        .map(|setting| (setting.name.to_owned(), setting.default.unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(example(), table);
}

#[test]
fn the_example_file_explains_each_setting_as_the_table_does() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for setting in SETTINGS {
        let start = format!("# {}=", setting.name);
        let index = lines.iter().position(|line| line.starts_with(&start)).unwrap();
        let mut meaning = setting.meaning.to_owned();
        meaning[..1].make_ascii_uppercase();
        assert_eq!(lines[index - 1], format!("# {meaning}."), "above {}", setting.name);
    }
}

#[test]
fn the_example_file_is_valid_as_it_is() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example")).unwrap();
    from_file(&text).finish().unwrap();
}
