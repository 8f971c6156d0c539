//! The man page and the shell completions say what `--help` says: they are made
//! from it here, and the files in the repository must be the same. With
//! `BLESS=1` in the environment the files are written instead.

use crate::support::*;
use std::fmt::Write;

/// The help of barejit or of one command, taken apart.
struct Help {
    /// Behind `Usage: barejit`.
    usage: String,
    /// Paragraphs of plain text.
    text: Vec<String>,
    /// Under each heading, the entries: what is written, and what it does.
    lists: Vec<(String, Vec<(String, String)>)>,
}

impl Help {
    fn of(args: &[&str]) -> Self {
        let run = run(args);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "barejit {args:?}");
        let text = run.text();
        let mut help = Self { usage: String::new(), text: vec![], lists: vec![] };
        let mut fresh = true;
        for line in text.lines() {
            let indented = line.starts_with("  ");
            if let Some(usage) = line.strip_prefix("Usage: barejit") {
                help.usage = usage.trim().into();
            } else if let (Some(other), true) = (line.strip_prefix("       barejit"), help.text.is_empty()) {
                help.usage = format!("{}, or barejit {}", help.usage, other.trim());
            } else if line.is_empty() {
                fresh = true;
                continue;
            } else if let (Some(heading), true) =
                (line.strip_suffix(':'), fresh && !line.contains(' ') || line == "Exit status:")
            {
                help.lists.push((heading.into(), vec![]));
            } else if indented && !line.starts_with("   ") {
                let (what, does) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
                let list =
                    help.lists.last_mut().unwrap_or_else(|| panic!("{args:?}: no heading above {line:?}"));
                list.1.push((what.into(), does.trim().into()));
            } else if indented {
                let entry = help.lists.last_mut().and_then(|list| list.1.last_mut());
                let entry = entry.unwrap_or_else(|| panic!("{args:?}: nothing to continue with {line:?}"));
                let space = if entry.1.is_empty() { "" } else { " " };
                entry.1 = format!("{}{space}{}", entry.1, line.trim());
            } else if fresh {
                assert!(!line.starts_with('-'), "{args:?}: an option that is not indented: {line:?}");
                help.text.push(line.into());
            } else {
                let paragraph = help.text.last_mut().unwrap_or_else(|| panic!("{args:?}: {line:?}"));
                *paragraph = format!("{paragraph} {line}");
            }
            fresh = false;
        }
        help
    }

    fn list(&self, heading: &str) -> &[(String, String)] {
        self.lists.iter().find(|list| list.0 == heading).map_or(&[], |list| &list.1)
    }

    /// Options, each once.
    fn options(&self) -> Vec<Choice> {
        let entries = self.lists.iter().filter(|list| list.0 != "Exit status").flat_map(|list| &list.1);
        let mut options: Vec<Choice> = Vec::new();
        for (what, does) in entries.filter(|entry| entry.0.starts_with('-')) {
            for spelling in what.split(", ") {
                // A value that may be left out, `--step[=N]`, is no word of its own.
                let spelling = spelling.split_once('[').map_or(spelling, |(name, _)| name);
                let (name, value) = spelling.split_once(' ').map_or((spelling, None), |(n, v)| (n, Some(v)));
                let words = value.filter(|value| value.contains('|')).unwrap_or_default().split('|');
                let words: Vec<String> = words.filter(|word| !word.is_empty()).map(String::from).collect();
                match options.iter_mut().find(|option| option.name == name) {
                    Some(option) => {
                        option.words.extend(words);
                        option.does = format!("{}; or {does}", option.does);
                    }
                    None => {
                        let (name, does) = (name.into(), does.clone());
                        options.push(Choice { name, valued: value.is_some(), words, does });
                    }
                }
            }
        }
        let does = "tell about the command".into();
        options.push(Choice { name: "--help".into(), valued: false, words: vec![], does });
        options
    }
}

/// An option as completions know it.
struct Choice {
    name: String,
    /// Whether a value follows.
    valued: bool,
    /// The values, if they can be told.
    words: Vec<String>,
    does: String,
}

fn commands() -> Vec<(String, String, Help)> {
    let main = Help::of(&["--help"]);
    let commands =
        main.list("Commands").iter().filter(|entry| entry.0.bytes().all(|b| b.is_ascii_lowercase()));
    let commands: Vec<_> = commands
        .map(|(name, does)| (name.clone(), does.clone(), Help::of(&[name.as_str(), "--help"])))
        .collect();
    assert!(commands.len() >= 4, "barejit --help lists hardly any command");
    commands
}

/// Text in the language of man pages (man(7)).
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn man_page() -> String {
    let main = Help::of(&["--help"]);
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH BAREJIT 1 \"\" \"barejit {version}\" \"User Commands\"\n");
    page += ".SH NAME\nbarejit \\- a JIT with nothing underneath it\n.SH SYNOPSIS\n.B barejit\n";
    writeln!(page, "{}\n.SH DESCRIPTION", roff(&main.usage)).expect("a string");
    for paragraph in &main.text {
        writeln!(page, "{}\n.PP", roff(paragraph)).expect("a string");
    }
    let entry = |page: &mut String, (what, does): &(String, String)| {
        writeln!(page, ".TP\n.B {}\n{}", roff(what), roff(does)).expect("a string");
    };
    let commands = commands();
    let entries = |help: &Help| help.lists.iter().flat_map(|list| list.1.clone()).collect::<Vec<_>>();
    // The options of every command that runs code are described once.
    let of = |name: &str| entries(&commands.iter().find(|command| command.0 == name).expect("a command").2);
    let (hello, mut run) = (of("hello"), of("run"));
    run.retain(|entry| hello.contains(entry));
    page += ".SH COMMANDS\n";
    for (_, _, help) in &commands {
        writeln!(page, ".SS barejit {}", roff(&help.usage)).expect("a string");
        for paragraph in &help.text {
            writeln!(page, "{}\n.PP", roff(paragraph)).expect("a string");
        }
        let (common, own): (Vec<_>, Vec<_>) =
            entries(help).into_iter().partition(|entry| run.contains(entry));
        own.iter().for_each(|own| entry(&mut page, own));
        match common.len() {
            0 => {}
            all if all == run.len() => page += ".PP\nTakes the options below, too.\n",
            some => panic!("{}: {some} of {} options are those of run", help.usage, run.len()),
        }
    }
    page += ".SH OPTIONS OF ALL COMMANDS THAT RUN CODE\n";
    run.iter().for_each(|common| entry(&mut page, common));
    page += ".SH EXIT STATUS\n";
    main.list("Exit status").iter().for_each(|status| entry(&mut page, status));
    page
}

fn bash() -> String {
    let mut cases = String::new();
    let mut names = vec![];
    for (name, _, help) in commands() {
        let options = help.options();
        let spelled: Vec<_> = options.iter().map(|option| option.name.as_str()).collect();
        for Choice { name: option, words, .. } in options.iter().filter(|option| option.valued) {
            writeln!(cases, "        {name}:{option}) words='{}' ;;", words.join(" ")).expect("a string");
        }
        writeln!(cases, "        {name}:*) words='{}' ;;", spelled.join(" ")).expect("a string");
        names.push(name);
    }
    let names = names.join(" ");
    format!(
        "# Completion of barejit for bash.
_barejit() {{
    local words=
    if [ \"$COMP_CWORD\" -eq 1 ]; then
        words='{names} --help --version'
    else
        case \"${{COMP_WORDS[1]}}:${{COMP_WORDS[COMP_CWORD - 1]}}\" in
{cases}        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\")
}}
complete -o default -F _barejit barejit
"
    )
}

fn zsh() -> String {
    let quote = |text: &str| text.replace('\'', "'\\''").replace([':', '[', ']'], " ");
    let mut names = String::new();
    let mut cases = String::new();
    for (name, does, help) in commands() {
        writeln!(names, "        '{name}:{}'", quote(&does)).expect("a string");
        writeln!(cases, "        {name}) _arguments \\").expect("a string");
        for Choice { name: option, valued, words, does } in help.options() {
            let action = match (valued, words.is_empty()) {
                (false, _) => String::new(),
                (true, true) => ":value:_files".into(),
                (true, false) => format!(":value:({})", words.join(" ")),
            };
            writeln!(cases, "            '{option}[{}]{action}' \\", quote(&does)).expect("a string");
        }
        writeln!(cases, "            '*:file:_files' ;;").expect("a string");
    }
    format!(
        "#compdef barejit
# Completion of barejit for zsh.
if (( CURRENT == 2 )); then
    local -a commands=(
{names}    )
    _describe command commands
else
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}    esac
fi
"
    )
}

fn fish() -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut script = String::from("# Completion of barejit for fish.\n");
    for (name, does, help) in commands() {
        writeln!(script, "complete -c barejit -n __fish_use_subcommand -a {name} -d '{}'", quote(&does))
            .expect("a string");
        for Choice { name: option, valued, words, does } in help.options() {
            let spelled = match option.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-s {}", option.trim_start_matches('-')),
            };
            let values = match (valued, words.is_empty()) {
                (false, _) => String::new(),
                (true, true) => " -r".into(),
                (true, false) => format!(" -x -a '{}'", words.join(" ")),
            };
            writeln!(
                script,
                "complete -c barejit -n '__fish_seen_subcommand_from {name}' {spelled}{values} -d '{}'",
                quote(&does)
            )
            .expect("a string");
        }
    }
    script
}

#[test]
fn the_manual_and_the_completions_say_what_help_says() {
    let files = [
        ("docs/barejit.1", man_page()),
        ("completions/barejit.bash", bash()),
        ("completions/_barejit", zsh()),
        ("completions/barejit.fish", fish()),
    ];
    for (path, made) in files {
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, made).expect("written");
        } else {
            let kept = std::fs::read_to_string(path).unwrap_or_default();
            assert_eq!(kept, made, "{path} is not what --help says; run: make manual");
        }
    }
}
