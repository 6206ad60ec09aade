//! `comity compare`: jurisdictions beside each other.

use clap::Args;

use super::read::{Source, answered};
use super::{CliError, Data, print_json};
use crate::client::percent;
use crate::compare::{Comparison, FIELDS_DEFAULT, Format};
use crate::index::Question;
use crate::preference;

/// `comity compare`
#[derive(Debug, Args)]
pub struct Compare {
    #[command(flatten)]
    data: Data,
    /// Which works, in the words of `comity search`
    #[arg(long, default_value = "")]
    query: String,
    /// Columns: fields as in front matter, with commas
    #[arg(long, default_value = FIELDS_DEFAULT)]
    fields: String,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Languages to show titles in, best first: es-MX,fr
    #[arg(long)]
    lang: Option<String>,
}

impl Compare {
    /// Compares.
    pub fn run(self) -> Result<(), CliError> {
        let comparison: Comparison = match Source::open(&self.data.folder()?)? {
            Source::Running(client) => {
                let lang = self.lang.as_deref().unwrap_or_default();
                let (query, fields, lang) = (percent(&self.query), percent(&self.fields), percent(lang));
                client.get(&format!("/v1/compare?q={query}&fields={fields}&lang={lang}")).map_err(answered)?
            }
            Source::Alone(alone) => {
                let languages = self.lang.as_deref().map(preference::languages).unwrap_or_default();
                let question = Question { query: self.query, languages, ..Question::default() };
                alone.1.compare(&question, &self.fields).map_err(CliError::failed)?
            }
        };
        for note in &comparison.notes {
            eprintln!("note: {note}");
        }
        match self.format {
            Format::Json => print_json(&comparison),
            Format::Csv => {
                print!("{}", comparison.to_csv());
                Ok(())
            }
            Format::Table => {
                print!("{}", comparison.to_table());
                Ok(())
            }
        }
    }
}
