//! Lists and documents from files to the data directory and back to what is shown of them.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    order: ContentOrder,
}

struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(site.path("data")).unwrap();
        let text = "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
                    postmaster = \"p@example.org\"\n";
        std::fs::write(site.path("postern.toml"), text).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_string_lossy().into_owned()
    }

    fn run(&self, words: &[&str]) -> Result<Exit, Trouble> {
        let config = self.path("postern.toml");
        let config = config.to_string_lossy();
        let line = ["content"].into_iter().chain(words.iter().copied());
        let line = Line::try_parse_from(line.chain(["--config", &config])).unwrap();
        content(&line.order)
    }

    fn list(&self, name: &str) -> ExactList {
        let data_dir = self.path("data");
        ExactList::load(&Shelf::<ExactList>::path(&data_dir, name).unwrap()).unwrap()
    }
}

#[test]
fn lists_are_imported_shown_and_removed() {
    let site = Site::new();
    let csv = site.write("staff.csv", "id,name,note\n10001,Adaeze Okonkwo,x\n10002,Li,y\n");
    let import = ["list", "import", "staff", "--csv", &csv, "--columns", "id,name"];
    assert_eq!(site.run(&import).unwrap(), Exit::Ok);
    let list = site.list("staff");
    assert_eq!(list.head().columns.len(), 2);
    assert_eq!(list.hits("Okonkwo, Adaeze: 10001").len(), 1);
    assert_eq!(list.hits("Adaeze Okonkwo: 10001").len(), 2);
    for words in [&["list", "show"][..], &["list", "show", "staff"], &["list", "show", "--json"]] {
        assert_eq!(site.run(words).unwrap(), Exit::Ok);
    }
    assert!(matches!(site.run(&["list", "show", "other"]), Err(Trouble::NotFound(_))));
    assert_eq!(site.run(&["list", "remove", "staff"]).unwrap(), Exit::Ok);
    assert!(matches!(site.run(&["list", "remove", "staff"]), Err(Trouble::NotFound(_))));
    assert!(matches!(site.run(&["list", "remove", "../staff"]), Err(Trouble::Usage(_))));
}

#[test]
fn a_bad_table_changes_nothing() {
    let site = Site::new();
    let rows: String = (0..100).map(|number| format!("{}\n", 10_000 + number)).collect();
    let good = site.write("good.csv", &format!("id\n{rows}"));
    site.run(&["list", "import", "ids", "--csv", &good]).unwrap();
    let few = site.write("few.csv", "id\n10001\n10002\n");
    let broken = site.write("broken.csv", "id\n\"10001\n10002\n");
    for csv in [&few, &broken, &site.write("empty.csv", "")] {
        let refused = site.run(&["list", "import", "ids", "--csv", csv]);
        assert!(matches!(refused, Err(Trouble::Data(_))), "{csv}");
        assert_eq!(site.list("ids").head().used_rows, 100);
    }
    let other = site.run(&["list", "import", "ids", "--csv", &good, "--columns", "nmae"]);
    assert!(matches!(other, Err(Trouble::Usage(_))));
    let missing = site.run(&["list", "import", "ids", "--csv", "missing.csv"]);
    assert!(matches!(missing, Err(Trouble::Input { .. })));
    site.run(&["list", "import", "ids", "--csv", &few, "--fewer"]).unwrap();
    assert_eq!(site.list("ids").head().used_rows, 2);
}

#[test]
fn documents_are_added_shown_and_removed() {
    let site = Site::new();
    let text = |from: usize| -> String {
        (from..from + 200).map(|number| format!("word{number} ")).collect()
    };
    let plan = site.write("plan.txt", &text(0));
    let budget = site.write("budget.txt", &text(1_000));
    let form = site.write("form.txt", &text(100));
    site.run(&["document", "add", "board", &plan, &budget]).unwrap();
    let load = || {
        let path = Shelf::<Prints>::path(&site.path("data"), "board").unwrap();
        Prints::load(&path).unwrap()
    };
    assert_eq!(load().matches(&text(120)).len(), 1);
    site.run(&["document", "add", "board", "--common", &form]).unwrap();
    assert_eq!(load().matches(&text(120)), []);
    assert_eq!(load().documents().len(), 3);
    let short = site.write("short.txt", "too few words");
    let refused = site.run(&["document", "add", "board", &short]);
    assert!(matches!(refused, Err(Trouble::Data(_))));
    for words in [&["document", "show"][..], &["document", "show", "board", "--json"]] {
        assert_eq!(site.run(words).unwrap(), Exit::Ok);
    }
    let absent = site.run(&["document", "remove", "board", "absent.txt"]);
    assert!(matches!(absent, Err(Trouble::NotFound(_))));
    site.run(&["document", "remove", "board", "plan.txt", "form.txt"]).unwrap();
    assert_eq!(load().documents().len(), 1);
    site.run(&["document", "remove", "board"]).unwrap();
    assert!(matches!(site.run(&["document", "show", "board"]), Err(Trouble::NotFound(_))));
}
