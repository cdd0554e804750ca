//! The corpus as files, for the fuzzer to begin with.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::cases::forwarded;
use crate::clients::CLIENTS;
use crate::later::LATER;
use crate::score::Case;
use crate::{chains, charsets, kinds, outlook, shapes, strangers, traps};

/// One mail of every program and form and one of every language and form, and all special cases.
fn seeds() -> Vec<Case> {
    let mut seen = HashSet::new();
    let mut cases: Vec<_> = CLIENTS.iter().chain(LATER).flat_map(forwarded).collect();
    cases.retain(|c| {
        let program = seen.insert((c.client.clone(), c.category.clone()));
        seen.insert((c.language.clone(), c.category.clone())) || program
    });
    cases.extend(traps::all());
    cases.extend(outlook::all());
    cases.extend(charsets::all());
    cases.extend(kinds::kinds());
    cases.extend(chains::chains());
    cases.extend(chains::attachments());
    cases.extend(shapes::afterthoughts());
    cases.extend(shapes::unknown_languages());
    cases.extend(strangers::outsiders());
    cases.extend(strangers::oddities());
    cases.extend(strangers::boards_and_groups());
    cases
}

#[test]
#[ignore = "writes files: SEEDS=FOLDER says where; contrib/dev/fuzz.sh calls it"]
fn the_corpus_is_written_to_a_folder() {
    let folder = PathBuf::from(std::env::var_os("SEEDS").expect("SEEDS names a folder"));
    fs::create_dir_all(&folder).unwrap();
    let seeds = seeds();
    for (i, case) in seeds.iter().enumerate() {
        let id: String =
            case.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        fs::write(folder.join(format!("{i:04}-{id:.60}.eml")), &case.mail).unwrap();
    }
    println!("{} mails", seeds.len());
}
