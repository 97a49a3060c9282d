//! Questions of an event and their answers, as buyers read them.

use super::{Lang, Words, words};
use crate::text::shorten;
use boxoffice::{AnswerFlaw, FlawedAnswer};

words! {
    /// The title of the page with the questions.
    fn questions_title() {
        en: "A few questions",
        de: "Ein paar Fragen",
        fr: "Quelques questions",
        es: "Unas preguntas",
    }
    /// Above the questions, before the payment.
    fn questions_before_payment() {
        en: "The organiser asks this before you pay. Nothing has been charged.",
        de: "Der Veranstalter fragt dies, bevor Sie bezahlen. Es wurde noch nichts abgebucht.",
        fr: "L’organisateur demande ceci avant le paiement. Rien n’a encore été débité.",
        es: "El organizador pregunta esto antes de pagar. No se ha cobrado nada.",
    }
    /// The same where nothing is to be paid.
    fn questions_before_tickets() {
        en: "The organiser asks this before you get the tickets.",
        de: "Der Veranstalter fragt dies, bevor Sie die Tickets bekommen.",
        fr: "L’organisateur demande ceci avant de vous remettre les billets.",
        es: "El organizador pregunta esto antes de entregarle las entradas.",
    }
    /// The same once the order is paid.
    fn questions_after_payment() {
        en: "You can change your answers here. Nothing is charged.",
        de: "Hier können Sie Ihre Antworten ändern. Es wird nichts abgebucht.",
        fr: "Vous pouvez modifier vos réponses ici. Rien n’est débité.",
        es: "Aquí puede cambiar sus respuestas. No se cobra nada.",
    }
    /// Above the questions for the order.
    fn questions_of_order() {
        en: "For your order",
        de: "Zu Ihrer Bestellung",
        fr: "Pour votre commande",
        es: "Para su pedido",
    }
    /// Above the questions for a ticket. `name` is the ticket type's.
    fn questions_of_ticket(number: u16, name: &str) {
        en: format!("Ticket {number}: {name}"),
        de: format!("Ticket {number}: {name}"),
        fr: format!("Billet {number}\u{a0}: {name}"),
        es: format!("Entrada {number}: {name}"),
    }
    /// Beside a question that need not be answered.
    fn question_optional() {
        en: "optional",
        de: "freiwillig",
        fr: "facultatif",
        es: "opcional",
    }
    /// The answer to a question that is answered by yes or no.
    fn answer_yes() {
        en: "Yes",
        de: "Ja",
        fr: "Oui",
        es: "Sí",
    }
    /// The other one.
    fn answer_no() {
        en: "No",
        de: "Nein",
        fr: "Non",
        es: "No",
    }
    /// What stands in a list of choices before one is chosen.
    fn answer_choose() {
        en: "Please choose",
        de: "Bitte wählen",
        fr: "Veuillez choisir",
        es: "Elija una opción",
    }
    /// A choice where nothing need be chosen.
    fn answer_none() {
        en: "No answer",
        de: "Keine Angabe",
        fr: "Sans réponse",
        es: "Sin respuesta",
    }
    /// A button: the answers are saved, and the card form is next.
    fn questions_go_on_to_payment() {
        en: "Continue to payment",
        de: "Weiter zur Zahlung",
        fr: "Continuer vers le paiement",
        es: "Continuar al pago",
    }
    /// A button: the answers are saved, and the order is next.
    fn questions_save() {
        en: "Save the answers",
        de: "Antworten speichern",
        fr: "Enregistrer les réponses",
        es: "Guardar las respuestas",
    }
    /// A link on the order's page to the questions that must be answered first.
    fn questions_answer_first() {
        en: "Answer the organiser’s questions",
        de: "Fragen des Veranstalters beantworten",
        fr: "Répondre aux questions de l’organisateur",
        es: "Responder a las preguntas del organizador",
    }
    /// On the payment page, for somebody whom it cannot lead to the order's page.
    fn questions_on_order_page() {
        en: "The organiser asks a few questions before the payment. Answer them on the page of your order, then pay. Nothing has been charged.",
        de: "Der Veranstalter stellt vor der Zahlung ein paar Fragen. Beantworten Sie sie auf der Seite Ihrer Bestellung und bezahlen Sie dann. Es wurde noch nichts abgebucht.",
        fr: "L’organisateur pose quelques questions avant le paiement. Répondez-y sur la page de votre commande, puis payez. Rien n’a encore été débité.",
        es: "El organizador hace unas preguntas antes del pago. Responda en la página de su pedido y pague después. No se ha cobrado nada.",
    }
    /// A link on the order's page to the answers.
    fn questions_change() {
        en: "Change the answers",
        de: "Antworten ändern",
        fr: "Modifier les réponses",
        es: "Cambiar las respuestas",
    }
    /// Above the answers on the order's page.
    fn your_answers() {
        en: "Your answers",
        de: "Ihre Antworten",
        fr: "Vos réponses",
        es: "Sus respuestas",
    }
    /// Said once, above a form of which some answers cannot be taken.
    fn answers_wrong() {
        en: "Some answers are missing or cannot be taken. Nothing was saved and nothing was charged. They are marked below.",
        de: "Einige Antworten fehlen oder passen nicht. Es wurde nichts gespeichert und nichts abgebucht. Sie sind unten markiert.",
        fr: "Certaines réponses manquent ou ne conviennent pas. Rien n’a été enregistré ni débité. Elles sont signalées ci-dessous.",
        es: "Algunas respuestas faltan o no son válidas. No se ha guardado ni cobrado nada. Están marcadas abajo.",
    }
    /// At a field: there is no answer.
    fn answer_missing() {
        en: "Please answer this question.",
        de: "Bitte beantworten Sie diese Frage.",
        fr: "Veuillez répondre à cette question.",
        es: "Responda a esta pregunta.",
    }
    /// At a field: the answer is too long.
    fn answer_too_long(most: usize) {
        en: format!("Please answer in at most {most} characters."),
        de: format!("Bitte antworten Sie mit höchstens {most} Zeichen."),
        fr: format!("Veuillez répondre en {most} caractères au plus."),
        es: format!("Responda con {most} caracteres como máximo."),
    }
    /// At a field: it is none of the choices.
    fn answer_no_choice() {
        en: "Please choose one of the answers.",
        de: "Bitte wählen Sie eine der Antworten.",
        fr: "Veuillez choisir l’une des réponses.",
        es: "Elija una de las respuestas.",
    }
    /// At a field: it has characters that nobody can see.
    fn answer_unseen() {
        en: "This answer has characters that cannot be seen. Please enter it again.",
        de: "Diese Antwort enthält unsichtbare Zeichen. Bitte geben Sie sie neu ein.",
        fr: "Cette réponse contient des caractères invisibles. Veuillez la saisir de nouveau.",
        es: "Esta respuesta contiene caracteres invisibles. Escríbala de nuevo.",
    }
    /// At a field: nothing like that is asked any more.
    fn answer_not_asked() {
        en: "This is not asked here.",
        de: "Das wird hier nicht gefragt.",
        fr: "Cela n’est pas demandé ici.",
        es: "Esto no se pregunta aquí.",
    }
    /// Why nothing was paid. `asked` is the question.
    fn refused_answers_missing(asked: &str) {
        en: format!("Please answer first: {asked}. Nothing was charged."),
        de: format!("Bitte beantworten Sie zuerst: {asked}. Es wurde nichts abgebucht."),
        fr: format!("Veuillez d’abord répondre\u{a0}: {asked}. Rien n’a été débité."),
        es: format!("Responda primero: {asked}. No se ha cobrado nada."),
    }
    /// Why no answer was taken. `asked` is the question, `why` a sentence.
    fn refused_answer_because(asked: &str, why: &str) {
        en: format!("{asked}: {why} No answer was changed."),
        de: format!("{asked}: {why} Keine Antwort wurde geändert."),
        fr: format!("{asked}\u{a0}: {why} Aucune réponse n’a été modifiée."),
        es: format!("{asked}: {why} No se ha cambiado ninguna respuesta."),
    }
    /// Why no answer was taken: it is too late. `since` is a time.
    fn refused_answers_fixed(since: &str) {
        en: format!("The answers are final since {since}. Nothing was changed."),
        de: format!("Die Antworten stehen seit {since} fest. Es wurde nichts geändert."),
        fr: format!("Les réponses sont définitives depuis {since}. Rien n’a été modifié."),
        es: format!("Las respuestas son definitivas desde {since}. No se ha cambiado nada."),
    }
    /// A question, and for which ticket it is asked.
    fn asked_for_ticket(asked: &str, number: u16) {
        en: format!("{asked} (ticket {number})"),
        de: format!("{asked} (Ticket {number})"),
        fr: format!("{asked} (billet {number})"),
        es: format!("{asked} (entrada {number})"),
    }
}

impl Lang {
    /// A question in quotes, and for which ticket it is asked.
    pub(super) fn asked_at(self, text: &str, ticket: Option<u16>) -> Words {
        let quoted = format!("“{}”", shorten(text));
        match ticket {
            None => quoted.into(),
            Some(number) => self.asked_for_ticket(&quoted, number),
        }
    }

    /// What is wrong with an answer: a sentence at its field.
    pub fn answer_flaw(self, flaw: &AnswerFlaw) -> Words {
        match flaw {
            AnswerFlaw::Missing => self.answer_missing(),
            AnswerFlaw::TooLong(most) => self.answer_too_long(*most),
            AnswerFlaw::NotAChoice => self.answer_no_choice(),
            AnswerFlaw::Unreadable(_) => self.answer_unseen(),
            AnswerFlaw::UnknownQuestion | AnswerFlaw::NotAsked | AnswerFlaw::Twice => {
                self.answer_not_asked()
            }
        }
    }

    /// Why an answer was refused. A program is told by the question's id, and exactly.
    pub(super) fn refused_answer(self, flawed: &FlawedAnswer) -> Words {
        let why = match &flawed.flaw {
            AnswerFlaw::Twice => "It is answered twice.".into(),
            AnswerFlaw::UnknownQuestion => "The event asks no question of this id.".into(),
            flaw => self.answer_flaw(flaw),
        };
        self.refused_answer_because(&self.asked_at(&flawed.question, flawed.ticket), &why)
    }
}
