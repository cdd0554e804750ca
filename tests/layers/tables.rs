//! The two tables, and the sources held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::source::{File, Names, Sources};

const ROOMS: &str = include_str!("rooms.txt");
const CRATES: &str = include_str!("crates.txt");

/// Modules of the standard library in which some things are pure and others are not: their names count.
const MIXED: [&str; 4] = ["cell", "net", "sync", "time"];

/// A table: what each key may name, in the order of the lines.
fn table(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &'static str| {
        let (key, allowed) = line.split_once(':').unwrap();
        (key, allowed.split_whitespace().collect())
    };
    lines.map(row).collect()
}

fn room(module: &Names) -> &str {
    module.first().map_or("lib", String::as_str)
}

/// The crates of Cargo.toml, as code names them.
fn crates() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let file: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let names = file["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_"));
    names.chain(["recruit_milter".to_owned()]).collect()
}

/// The other rooms that a file names.
fn rooms<'a>(sources: &'a Sources, module: &'a Names, file: &'a File) -> BTreeSet<&'a str> {
    let homes = file.paths.iter().chain(file.handed_on()).filter_map(|path| sources.home(path));
    // lib.rs has nothing but the modules.
    homes.filter(|home| !home.is_empty()).map(room).filter(|other| *other != room(module)).collect()
}

/// What a file names beyond its room and others, in the words of crates.txt.
fn others(crates: &BTreeSet<String>, file: &File) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in &file.paths {
        match path[0].as_str() {
            "std" | "core" | "alloc" => {
                let is_mixed = path.get(1).is_some_and(|module| MIXED.contains(&module.as_str()));
                let depth = if is_mixed { 3 } else { 2 };
                let mut names = path.iter().take(depth).cloned().collect::<Vec<_>>();
                "std".clone_into(&mut names[0]);
                found.insert(names.join("::"));
            }
            name if crates.contains(name) => drop(found.insert(name.to_owned())),
            _ => {}
        }
    }
    let prints = ["print", "println", "eprint", "eprintln", "dbg"];
    let printing = file.macros.iter().filter(|name| prints.contains(&name.as_str()));
    found.extend(printing.map(|name| format!("{name}!")));
    found.extend(file.is_async.then(|| "async".to_owned()));
    found
}

/// The line of crates.txt for a file: the longest key with which its path begins.
fn line_for(table: &[(&str, Vec<&str>)], name: &str) -> Option<usize> {
    let is_its = |key: &str| {
        name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
    };
    let fitting = table.iter().enumerate().filter(|(_, (key, _))| is_its(key));
    fitting.max_by_key(|(_, (key, _))| key.len()).map(|(at, _)| at)
}

/// Whether a word of crates.txt allows a name: itself, all of a crate, or all of `std`.
fn allows(word: &str, name: &str) -> bool {
    name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What no table allows, as `file: name`.
pub(crate) fn judge(sources: &Sources) -> Vec<String> {
    let (rooms_table, crates_table, crates) = (table(ROOMS), table(CRATES), crates());
    let mut found = Vec::new();
    for (module, file) in &sources.files {
        let may = rooms_table.iter().find(|(key, _)| *key == room(module));
        let may = may.map_or(&[][..], |(_, allowed)| allowed);
        let names = rooms(sources, module, file).into_iter().filter(|other| !may.contains(other));
        found.extend(names.map(|other| format!("{}: {other}", file.name)));
        let line = line_for(&crates_table, &file.name);
        let may = line.map_or(&[][..], |at| &crates_table[at].1);
        let names = others(&crates, file).into_iter();
        let names = names.filter(|name| !may.iter().any(|word| allows(word, name)));
        found.extend(names.map(|name| format!("{}: {name}", file.name)));
    }
    found
}

/// What the tables allow and nothing needs; and rooms that stand above what they name.
pub(crate) fn unused(sources: &Sources) -> Vec<String> {
    let (rooms_table, crates_table, crates) = (table(ROOMS), table(CRATES), crates());
    let mut needed: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut used: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (module, file) in &sources.files {
        needed.extend(rooms(sources, module, file).into_iter().map(|other| (room(module), other)));
        if let Some(at) = line_for(&crates_table, &file.name) {
            used.entry(at).or_default().extend(others(&crates, file));
        }
    }
    let mut found = Vec::new();
    let mut below = BTreeSet::new();
    for (key, allowed) in rooms_table {
        let extra = allowed.iter().filter(|other| !needed.contains(&(key, other)));
        found.extend(extra.map(|other| format!("rooms.txt: {key} does not name {other}")));
        let above = allowed.iter().filter(|other| !below.contains(*other));
        found.extend(above.map(|other| format!("rooms.txt: {key} stands below {other}")));
        below.insert(key);
    }
    for (at, (key, allowed)) in crates_table.iter().enumerate() {
        let names = used.get(&at).cloned().unwrap_or_default();
        let extra = allowed.iter().filter(|word| !names.iter().any(|name| allows(word, name)));
        found.extend(extra.map(|word| format!("crates.txt: {key} does not name {word}")));
    }
    found
}

/// Files that name each other in a circle. What stands below a folder's face is part of it: between the two it goes
/// both ways.
pub(crate) fn circles(sources: &Sources) -> Vec<Vec<String>> {
    let mut graph = DiGraphMap::<&str, ()>::new();
    for (module, file) in &sources.files {
        for home in file.paths.iter().filter_map(|path| sources.home(path)) {
            if !home.starts_with(module) && !module.starts_with(home) {
                graph.add_edge(&file.name, &sources.files[home].name, ());
            }
        }
    }
    let circles = tarjan_scc(&graph).into_iter().filter(|files| files.len() > 1);
    circles
        .map(|files| {
            let mut files: Vec<String> = files.into_iter().map(str::to_owned).collect();
            files.sort_unstable();
            files
        })
        .collect()
}
