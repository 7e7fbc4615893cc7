//! `stentor plan`: from users and messages a day to nodes, cores and memory, from measured records.
//!
//! Reads the question and the records, has `campaign` work the plan out, writes and prints it. Called
//! by `cli::main`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;

use super::{provenance, read_text, with_causes};
use crate::campaign::cost::Here;
use crate::campaign::evidence::Evidence;
use crate::campaign::plan::question::Written;
use crate::campaign::plan::{PLAN_FILE, Question, plan, render};
use crate::clock;
use crate::limits::{RECORD_BYTES_MAX, SCENARIO_BYTES_MAX};
use crate::load::scenario::hash;
use crate::place::Mistake;
use crate::report::folder::{self, RunFolder};
use crate::report::provenance::Provenance;

/// Exit code of a plan that something is missing from because no record says it.
const INCOMPLETE: u8 = 2;

/// Size a deployment from measured records.
#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// A TOML file with the fields of these flags; flags come before it.
    question: Option<PathBuf>,
    /// Records that the plan rests on: run.json or campaign.json, or folders, which are searched.
    /// The reference records if none are named.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    records: Vec<PathBuf>,
    /// People.
    #[arg(long, value_name = "N")]
    users: Option<u64>,
    /// Devices of each, every one a member of each of its user's groups [default: 1].
    #[arg(long, value_name = "N")]
    devices_per_user: Option<f64>,
    /// Groups that a device is a member of, on average; it needs a connection to each node that has one
    /// of them [default: what the groups come to, one of each size whose number is not said].
    #[arg(long, value_name = "N")]
    groups_per_device: Option<f64>,
    /// Messages that a user sends in a day.
    #[arg(long, value_name = "N")]
    messages_per_user_day: Option<f64>,
    /// How many times the mean of a day its busiest second has.
    #[arg(long, value_name = "N")]
    peak_factor: Option<f64>,
    /// Groups by size: users in each and the share of all messages that goes to such groups, such as
    /// 8:70%,50:25%,1000:5%; with how many there are, if known: 8:70%:12000. Or a law of the users in a
    /// group, each of which has as many messages as any other: lognormal:median=8,p99=500,max=2000.
    #[arg(long, value_name = "USERS:SHARE[:COUNT],...|LAW")]
    groups: Option<String>,
    /// Share of all operations that are commits [default: 2%].
    #[arg(long, value_name = "SHARE")]
    commits: Option<String>,
    /// Share of the devices that are connected [default: 100%].
    #[arg(long, value_name = "SHARE")]
    online: Option<String>,
    /// The MLS suite [default: x25519-aes128-ed25519].
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// A message before it is encrypted [default: 200B].
    #[arg(long, value_name = "SIZE")]
    payload: Option<String>,
    /// Whether messages are logged before they are answered: none or wal [default: none].
    #[arg(long, value_name = "KIND")]
    durability: Option<String>,
    /// How closely the service looks at handshakes: opaque, header or public [default: opaque].
    #[arg(long, value_name = "LEVEL")]
    validation: Option<String>,
    /// Longest p99 of the time to a message's last member; none if left out.
    #[arg(long, value_name = "DURATION")]
    slo: Option<String>,
    /// Share of what a shard was measured to serve that is left free [default: 30%].
    #[arg(long, value_name = "SHARE")]
    headroom: Option<String>,
    /// Nodes that may fail with the others still serving everything [default: 1].
    #[arg(long, value_name = "N")]
    spare: Option<u32>,
    /// Shards of each node; the most that records measured, unless said.
    #[arg(long, value_name = "N")]
    shards: Option<u32>,
    /// How long messages are kept [default: 30].
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<f64>,
    /// KeyPackages that each device keeps in stock [default: 100].
    #[arg(long, value_name = "N")]
    key_packages: Option<u32>,
    /// How long it takes everybody to come back after a failure of the network [default: 1min].
    #[arg(long, value_name = "DURATION")]
    storm: Option<String>,
    /// Look further than twice beyond what was measured, and say so.
    #[arg(long)]
    extrapolate: bool,
    /// Print the record instead of the text.
    #[arg(long)]
    json: bool,
    /// Where to make the folder of the plan.
    #[arg(long, alias = "results", default_value = "results", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command; the exit code says how it went.
pub(crate) fn run(arguments: &Plan) -> ExitCode {
    answer(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor plan: {line}");
}

#[expect(clippy::print_stdout, reason = "the plan is what the command is for")]
fn answer(arguments: &Plan) -> anyhow::Result<ExitCode> {
    let question = question(arguments)?;
    let evidence = evidence(&arguments.records)?;
    let started = clock::unix();
    let mut provenance = Provenance::of_program();
    provenance::fill_in(&mut provenance, started);
    let here = Here::of(&provenance, folder::read_host(&arguments.out).as_ref());
    let plan = plan(&question, (&evidence, &here), provenance);
    let (text, json) = (render(&plan), plan.to_json());
    let asked = toml::to_string(&plan.question).context("a question is plain data")?;
    let folder = RunFolder::create(&arguments.out, "plan", &hash(&asked), started)?;
    let path = folder.complete_as(PLAN_FILE, &json, &text)?;
    if arguments.json {
        print!("{json}");
    } else {
        print!("{text}");
        println!("{}", path.display());
    }
    Ok(ExitCode::from(if plan.is_complete() { 0 } else { INCOMPLETE }))
}

fn question(arguments: &Plan) -> anyhow::Result<Question> {
    let flags = flags(arguments)?;
    let Some(path) = &arguments.question else {
        let named = |field: &str| {
            let (flag, _) = field.split_once('[').unwrap_or((field, ""));
            flag.replace('_', "-")
        };
        return flags
            .resolve()
            .map_err(|fault| anyhow!("--{}: {}", named(&fault.field), fault.message));
    };
    let name = path.display().to_string();
    let text = read_text(path, SCENARIO_BYTES_MAX)
        .with_context(|| format!("cannot read the question {name}"))?;
    let mistake = |mistake: Mistake| anyhow!("{}", mistake.one_line());
    let written = Written::parse(&text, &name).map_err(mistake)?;
    flags
        .over(written)
        .resolve()
        .map_err(|fault| mistake(Mistake::in_field(&name, &text, &fault.field, fault.message)))
}

/// What the flags say, each in the words of a file.
fn flags(arguments: &Plan) -> anyhow::Result<Written> {
    let number = |value: Option<f64>| value.map(|value| format!("{value:?}"));
    let whole = |value: Option<u32>| value.map(|value| value.to_string());
    let quoted = |value: &Option<String>| value.as_ref().map(|value| format!("{value:?}"));
    let fields = [
        ("users", arguments.users.map(|users| users.to_string())),
        ("devices_per_user", number(arguments.devices_per_user)),
        ("groups_per_device", number(arguments.groups_per_device)),
        ("messages_per_user_day", number(arguments.messages_per_user_day)),
        ("peak_factor", number(arguments.peak_factor)),
        ("groups", arguments.groups.as_deref().map(groups).transpose()?),
        ("commits", quoted(&arguments.commits)),
        ("online", quoted(&arguments.online)),
        ("suite", quoted(&arguments.suite)),
        ("payload", quoted(&arguments.payload)),
        ("durability", quoted(&arguments.durability)),
        ("validation", quoted(&arguments.validation)),
        ("slo", quoted(&arguments.slo)),
        ("headroom", quoted(&arguments.headroom)),
        ("spare", whole(arguments.spare)),
        ("shards", whole(arguments.shards)),
        ("retention_days", number(arguments.retention_days)),
        ("key_packages", whole(arguments.key_packages)),
        ("storm", quoted(&arguments.storm)),
        ("extrapolate", arguments.extrapolate.then(|| "true".to_owned())),
    ];
    let mut written = Written::default();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let flag = name.replace('_', "-");
        written.field(name, &value).map_err(|wrong| anyhow!("--{flag}: {wrong}"))?;
    }
    Ok(written)
}

/// What a law of groups looks like.
const LAW: &str = "lognormal:median=8,p99=500,max=2000";

/// `8:70%,50:30%:12000`, or a law, as a file writes it.
fn groups(said: &str) -> anyhow::Result<String> {
    if let Some((law, figures)) = said.split_once(':').filter(|(law, _)| !starts_as_number(law)) {
        return law_of_groups(law, figures)
            .with_context(|| format!("--groups: {said:?} is no law such as {LAW}"));
    }
    let mut tables = Vec::new();
    for said in said.split(',') {
        let mut parts = said.split(':');
        let (users, share, count) = (parts.next(), parts.next(), parts.next());
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let (Some(users), Some(share), None) = (users.and_then(number), share, parts.next()) else {
            bail!("--groups: {said:?} is not users:share or users:share:count, such as 8:70%");
        };
        let count = match count.map(str::parse::<u64>) {
            None => String::new(),
            Some(Ok(count)) => format!(", count = {count}"),
            Some(Err(_)) => bail!("--groups: {said:?}: the count is not a whole number"),
        };
        tables.push(format!("{{ users = {users:?}, messages = {share:?}{count} }}"));
    }
    Ok(format!("[{}]", tables.join(", ")))
}

fn starts_as_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
}

/// A law and its figures, such as `median=8,p99=500,max=2000`, as a file writes them: checked there,
/// too, so that both say the same of it.
fn law_of_groups(law: &str, figures: &str) -> anyhow::Result<String> {
    let mut fields = Vec::new();
    for figure in figures.split(',') {
        let (name, users) =
            figure.split_once('=').with_context(|| format!("what is {figure:?}"))?;
        let (name, users) = (name.trim(), users.trim());
        ensure!(["median", "p99", "max"].contains(&name), "there are median, p99 and max");
        let users: u32 = users.parse().with_context(|| format!("{name} is not a whole number"))?;
        fields.push(format!("{name} = {users}"));
    }
    ensure!(law == "lognormal", "there is lognormal");
    let table = format!("{{ lognormal = {{ {} }} }}", fields.join(", "));
    Written::default().field("groups", &table).map_err(anyhow::Error::msg)?;
    Ok(table)
}

/// The records at some paths; the reference records at none.
pub(super) fn evidence(paths: &[PathBuf]) -> anyhow::Result<Evidence> {
    if paths.is_empty() {
        return Ok(Evidence::reference());
    }
    let mut evidence = Evidence::default();
    for path in paths {
        for file in records_in(path)? {
            let name = file.display().to_string();
            let text = read_text(&file, RECORD_BYTES_MAX)
                .with_context(|| format!("cannot read the record {name}"))?;
            evidence.add(&name, &text).with_context(|| name.clone())?;
        }
    }
    if evidence.sources.is_empty() {
        bail!("there is no run.json and no campaign.json in what --records names");
    }
    Ok(evidence)
}

/// The file itself; of a folder every record in it and in the folders within it, by name.
fn records_in(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = || format!("cannot read the folder {}", path.display());
    let mut found = Vec::new();
    let entries = std::fs::read_dir(path).with_context(unreadable)?;
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(unreadable)?;
    entries.sort();
    for entry in entries {
        let is_record = ["run.json", "campaign.json"].iter().any(|name| entry.ends_with(name));
        if is_record && entry.is_file() {
            found.push(entry);
        } else if entry.is_dir() && !entry.is_symlink() {
            found.extend(records_in(&entry)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }

    fn asked(flags: &str) -> anyhow::Result<Question> {
        let words = ["plan"].into_iter().chain(flags.split_whitespace());
        question(&Line::try_parse_from(words).unwrap().plan)
    }

    const RIGHT: &str = "--users 1000 --messages-per-user-day 40 --peak-factor 8 \
                         --groups 8:70%:90,50:30% --slo 250ms --commits 3%";

    #[test]
    fn flags_ask_what_a_file_would() {
        let question = asked(RIGHT).unwrap();
        assert_eq!((question.users, question.commits), (1_000.0, 0.03));
        let groups: Vec<_> =
            question.groups.iter().map(|of| (of.users, of.share, of.count)).collect();
        assert_eq!(groups, [(8.0, 0.7, Some(90)), (50.0, 0.3, None)]);
        assert_eq!(question.slo.unwrap().as_millis(), 250);
    }

    #[test]
    fn a_law_of_groups_is_asked_as_a_file_asks_it() {
        let law = asked(&RIGHT.replace("8:70%:90,50:30%", "lognormal:median=8,p99=50,max=90"));
        let file = "groups = { lognormal = { median = 8, p99 = 50, max = 90 } }";
        let (law, file) = (law.unwrap(), Written::parse(file, "q").unwrap());
        assert_eq!(law.written().groups, file.groups);
        assert!(law.groups.len() > 3, "{:?}", law.groups);
    }

    #[test]
    fn a_wrong_flag_is_named_in_one_line() {
        let check = |from: &str, to: &str, start: &str| {
            let line = with_causes(&asked(&RIGHT.replace(from, to)).unwrap_err());
            assert!(line.starts_with(start) && line.lines().count() == 1, "{line}");
        };
        check("8:70%:90", "8", "--groups: \"8\" is not users:share");
        check("8:70%:90", "8:70%:many", "--groups: \"8:70%:many\": the count");
        check("8:70%:90", "8:60%", "--groups: the shares of the messages add up to 90%");
        check("8:70%:90", "0:70%", "--groups: ");
        let law = |law: &str, start: &str| {
            let line = with_causes(&asked(&RIGHT.replace("8:70%:90,50:30%", law)).unwrap_err());
            assert!(line.starts_with(start) && line.lines().count() == 1, "{line}");
            line
        };
        for (wrong, why) in [
            ("lognormal:", "what is \"\""),
            ("lognormal:median=8", "missing field `p99`"),
            ("lognormal:median=8,p99=many,max=90", "p99 is not a whole number"),
            ("lognormal:median=8,p99=50,max=40", "the p99 the median, the max the p99"),
            ("lognormal:median=1,p99=50,max=90", "2"),
            ("lognormal:median=8,p99=50,max=90,mean=9", "there are median, p99 and max"),
            ("lognormal:median=8,median=9,p99=50,max=90", "duplicate key"),
            ("zipf:median=8,p99=50,max=90", "there is lognormal"),
        ] {
            let line = law(wrong, &format!("--groups: {wrong:?} is no law such as {LAW}: "));
            assert!(line.contains(why), "{line}");
        }
        law("lognormal:median=8,p99=50,max=1001", "--groups: a max of 1001 users in a group; all");
        check("250ms", "250", "--slo: ");
        check("--users 1000", "", "--users: it has to be said");
        check("factor 8", "factor 0", "--peak-factor: 0; ");
    }

    #[test]
    fn records_are_found_in_folders_and_what_is_none_is_named() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/reference");
        let found = evidence(std::slice::from_ref(&root)).unwrap();
        assert!(found.sources.len() >= 9, "{:?}", found.sources);
        let host = with_causes(&evidence(&[root.join("host.json")]).unwrap_err());
        assert!(host.contains("host.json"), "{host}");
        let gone = with_causes(&evidence(&[root.join("gone.json")]).unwrap_err());
        assert!(gone.starts_with("cannot read the record ") && gone.lines().count() == 1, "{gone}");
        let empty = tempfile::TempDir::new().unwrap();
        assert!(evidence(&[empty.path().to_owned()]).is_err());
    }
}
