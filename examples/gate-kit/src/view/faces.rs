use incode_core::identity::Identity;
use incode_sandbox::Sandbox;
use maud::{Markup, html};

/// What a form that asks for a face holds: faces to choose from as `base64Image` when the vendor is the sandbox, the
/// person's own chosen already; a picture from camera or disk as `image` otherwise.
pub fn faces(sandbox: Option<&Sandbox>, identity: Option<&Identity>) -> Markup {
    let faces = sandbox.map(Sandbox::faces).unwrap_or_default();
    let own = identity.and_then(|known| {
        faces.iter().position(|face| face.identity_id.as_deref() == Some(known.identity_id.as_str()))
    });
    html! {
        @if sandbox.is_some() {
            fieldset class="faces" {
                legend { "Hold one of these in front of the camera." }
                @for (at, face) in faces.iter().enumerate() {
                    label {
                        input type="radio" name="base64Image" value=(face.base64_image) checked[at == own.unwrap_or(0)] required;
                        img alt="" src={ "data:image/svg+xml;base64," (face.base64_image) };
                        (face.label)
                    }
                }
            }
        } @else {
            label class="field" {
                "A photo of your face, looking straight ahead"
                input type="file" name="image" accept="image/*" capture="user" required;
            }
        }
    }
}
