//! The texts of the built-in pages. A code without a text here is shown with the problem's own, which is English.

use super::{Language, Problem};

/// What one page says.
pub(super) struct Texts<'a> {
    pub(super) title: &'a str,
    pub(super) detail: &'a str,
    pub(super) log_in: &'static str,
    pub(super) verify: &'static str,
    pub(super) confirm: &'static str,
}

pub(super) fn of(problem: &Problem, language: Language) -> Texts<'_> {
    let (log_in, verify, confirm) = match language {
        Language::English => ("Log in", "Verify your identity", "Confirm with your face"),
        Language::Spanish => ("Iniciar sesión", "Verificar su identidad", "Confirmar con su rostro"),
        Language::Portuguese => ("Entrar", "Verificar sua identidade", "Confirmar com seu rosto"),
    };
    let translated = match language {
        Language::English => english(problem.code),
        Language::Spanish => spanish(problem.code),
        Language::Portuguese => portuguese(problem.code),
    };
    let (title, detail) = translated.unwrap_or((problem.title, &problem.detail));
    Texts { title, detail, log_in, verify, confirm }
}

/// Where the text for programs leaves a person without a next step.
fn english(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "verification_required" => ("Verify your identity", "This page needs a verified identity."),
        "verification_pending" => {
            ("Verification pending", "We are confirming your verification. This page reloads by itself.")
        }
        "identity_revoked" => ("Identity revoked", "Your verified identity was revoked. Contact support."),
        "identity_not_active" => ("Identity not active", "Your identity is known, but it is not active."),
        _ => return None,
    })
}

fn spanish(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "authentication_required" => ("Inicie sesión", "Esta página es para usuarios que han iniciado sesión."),
        "invalid_token" => ("Token no aceptado", "El token no es válido o ya no lo es."),
        "verification_required" => ("Verifique su identidad", "Esta página requiere una identidad verificada."),
        "verification_pending" => {
            ("Verificación en curso", "Estamos confirmando su verificación. Esta página se actualiza sola.")
        }
        "identity_revoked" => ("Identidad revocada", "Su identidad verificada fue revocada. Contacte con soporte."),
        "identity_not_active" => ("Identidad no activa", "Su identidad es conocida, pero no está activa."),
        "verification_expired" => ("Verifíquese de nuevo", "Su última verificación es demasiado antigua."),
        "attestation_insufficient" => {
            ("Documento no aceptado", "La revisión de su documento de identidad no terminó bien.")
        }
        "link_insufficient" => {
            ("Vínculo insuficiente", "La forma en que su cuenta se vinculó a la identidad no basta aquí.")
        }
        "age_insufficient" => ("Edad insuficiente", "Su identidad no muestra la edad necesaria."),
        "country_not_accepted" => ("País no aceptado", "Su identidad no muestra un país aceptado aquí."),
        "requirement_not_met" => ("No permitido", "Su identidad no cumple lo que esta página requiere."),
        "face_authentication_required" => ("Confirme con su rostro", "Esta página requiere confirmar su rostro ahora."),
        "identity_unavailable" => ("Inténtelo pronto", "No podemos leer el estado de su identidad en este momento."),
        "too_many_requests" => ("Demasiados intentos", "Espere un momento e inténtelo de nuevo."),
        "flow_incomplete" => {
            ("Verificación sin terminar", "La página de verificación no devolvió todo. Empiece de nuevo.")
        }
        "flow_unknown" => ("Verificación desconocida", "Esta verificación no se inició aquí."),
        "flow_other_subject" => {
            ("No es su verificación", "La inició otro usuario. Inicie sesión como él o empiece la suya.")
        }
        "flow_expired" => ("Verificación vencida", "Tardó demasiado. Empiece de nuevo."),
        "flow_used" => ("Verificación ya usada", "Este enlace ya se usó. Empiece de nuevo si aún no está verificado."),
        "flow_token_dead" | "flow_token_foreign" => {
            ("Verificación sin confirmar", "No pudimos confirmar la verificación. Empiece de nuevo.")
        }
        "flow_token_used" => ("Verificación ya usada", "Se usó para otra cuenta. Empiece de nuevo."),
        "verification_not_passed" => {
            ("Verificación no superada", "La verificación no fue superada. Puede empezar de nuevo.")
        }
        "identity_taken" => {
            ("Identidad en uso", "Esta identidad pertenece a otra cuenta. Use esa cuenta o contacte con soporte.")
        }
        "subject_taken" => {
            ("Cuenta de otra identidad", "Esta cuenta pertenece a otra identidad. Contacte con soporte.")
        }
        "flow_unavailable" | "vendor_unavailable" => {
            ("Inténtelo pronto", "No podemos confirmar la verificación en este momento. Recargue la página enseguida.")
        }
        _ => return None,
    })
}

fn portuguese(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "authentication_required" => ("Entre na sua conta", "Esta página é para usuários que entraram na conta."),
        "invalid_token" => ("Token não aceito", "O token não é válido ou não é mais."),
        "verification_required" => ("Verifique sua identidade", "Esta página exige uma identidade verificada."),
        "verification_pending" => {
            ("Verificação em andamento", "Estamos confirmando sua verificação. Esta página se atualiza sozinha.")
        }
        "identity_revoked" => ("Identidade revogada", "Sua identidade verificada foi revogada. Fale com o suporte."),
        "identity_not_active" => ("Identidade não ativa", "Sua identidade é conhecida, mas não está ativa."),
        "verification_expired" => ("Verifique-se de novo", "Sua última verificação é antiga demais."),
        "attestation_insufficient" => {
            ("Documento não aceito", "A análise do seu documento de identidade não terminou bem.")
        }
        "link_insufficient" => {
            ("Vínculo insuficiente", "A forma como sua conta foi vinculada à identidade não basta aqui.")
        }
        "age_insufficient" => ("Idade insuficiente", "Sua identidade não mostra a idade necessária."),
        "country_not_accepted" => ("País não aceito", "Sua identidade não mostra um país aceito aqui."),
        "requirement_not_met" => ("Não permitido", "Sua identidade não cumpre o que esta página exige."),
        "face_authentication_required" => ("Confirme com seu rosto", "Esta página exige confirmar seu rosto agora."),
        "identity_unavailable" => ("Tente em breve", "Não conseguimos ler o estado da sua identidade neste momento."),
        "too_many_requests" => ("Tentativas demais", "Espere um momento e tente de novo."),
        "flow_incomplete" => {
            ("Verificação não concluída", "A página de verificação não devolveu tudo. Comece de novo.")
        }
        "flow_unknown" => ("Verificação desconhecida", "Esta verificação não começou aqui."),
        "flow_other_subject" => ("Não é sua verificação", "Outro usuário a começou. Entre como ele ou comece a sua."),
        "flow_expired" => ("Verificação vencida", "Demorou demais. Comece de novo."),
        "flow_used" => ("Verificação já usada", "Este link já foi usado. Comece de novo se ainda não está verificado."),
        "flow_token_dead" | "flow_token_foreign" => {
            ("Verificação não confirmada", "Não conseguimos confirmar a verificação. Comece de novo.")
        }
        "flow_token_used" => ("Verificação já usada", "Foi usada para outra conta. Comece de novo."),
        "verification_not_passed" => {
            ("Verificação não aprovada", "A verificação não foi aprovada. Você pode começar de novo.")
        }
        "identity_taken" => {
            ("Identidade em uso", "Esta identidade pertence a outra conta. Use essa conta ou fale com o suporte.")
        }
        "subject_taken" => ("Conta de outra identidade", "Esta conta pertence a outra identidade. Fale com o suporte."),
        "flow_unavailable" | "vendor_unavailable" => {
            ("Tente em breve", "Não conseguimos confirmar a verificação agora. Recarregue a página em instantes.")
        }
        _ => return None,
    })
}
