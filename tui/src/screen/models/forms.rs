//! The form of an import, and the request that it becomes.

use cleanplate_api::admin::{ImportModel, ModelFile, ModelRow};
use cleanplate_api::endpoint::{Json, NoQuery};

use crate::net::Call;
use crate::screen::Shared;
use crate::screen::overlay::Filled;
use crate::widget::form::{Field, Form};

/// A form for a weight file of the daemon's machine, as the model under the cursor or another one.
pub fn import(current: Option<&ModelRow>, shared: &mut Shared) {
    let name = current.map_or("", |model| model.name.as_str());
    let fields = vec![
        Field::text("File", "absolute path on the daemon's machine", ""),
        Field::text("As", "name of the model, as pipelines know it", name),
    ];
    let form = Form::new("Import weights".to_string(), fields);
    shared.form(form, "import them", Box::new(imported));
}

fn imported(form: &mut Form, _: i64) -> Result<Filled, String> {
    let (path, name) = (form.required(0)?, form.required(1)?);
    let body = Json(ModelFile { path });
    let call = Call::of::<ImportModel>(&[&name], &NoQuery {}, &body);
    Ok(Filled::Call(call))
}
