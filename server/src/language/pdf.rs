//! What stands in the PDF of an order's tickets, and around it.

use super::words;

words! {
    /// The title of the file.
    fn pdf_title(event: &str) {
        en: format!("Tickets: {event}"),
        de: format!("Tickets: {event}"),
        fr: format!("Billets\u{a0}: {event}"),
        es: format!("Entradas: {event}"),
    }
    /// What one of the tickets is called.
    fn pdf_ticket(number: u16) {
        en: format!("Ticket {number}"),
        de: format!("Ticket {number}"),
        fr: format!("Billet {number}"),
        es: format!("Entrada {number}"),
    }
    /// What people name an order by.
    fn pdf_order(number: &str) {
        en: format!("Order {number}"),
        de: format!("Bestellung {number}"),
        fr: format!("Commande {number}"),
        es: format!("Pedido {number}"),
    }
    /// On a ticket with characters that the fonts do not have, or with a text that is too long for it.
    fn pdf_not_all() {
        en: "Not all of the text on this ticket can be printed (…). Scan the code to see your ticket page \
             with the full text.",
        de: "Der Text dieses Tickets lässt sich nicht vollständig drucken (…). Scannen Sie den Code: Die Seite \
             des Tickets zeigt den ganzen Text.",
        fr: "Le texte de ce billet ne peut pas être imprimé en entier (…). Scannez le code\u{a0}: la page du billet \
             affiche le texte complet.",
        es: "No se puede imprimir todo el texto de esta entrada (…). Escanee el código: la página de la entrada \
             muestra el texto completo.",
    }
    /// The name of the file, without its ending: letters and hyphens.
    fn pdf_file() {
        en: "tickets",
        de: "tickets",
        fr: "billets",
        es: "entradas",
    }
    /// A link to the file.
    fn pdf_get() {
        en: "Tickets as PDF",
        de: "Tickets als PDF",
        fr: "Billets en PDF",
        es: "Entradas en PDF",
    }
    /// Instead of the file, where no ticket is valid.
    fn pdf_none() {
        en: "There is no valid ticket in this order",
        de: "In dieser Bestellung ist kein gültiges Ticket",
        fr: "Cette commande ne contient aucun billet valable",
        es: "Este pedido no tiene ninguna entrada válida",
    }
    /// Below that.
    fn pdf_none_so() {
        en: "There is nothing to print. The page of your order shows how it stands.",
        de: "Es gibt nichts zu drucken. Die Seite Ihrer Bestellung zeigt, wie es um sie steht.",
        fr: "Il n’y a rien à imprimer. La page de votre commande indique où elle en est.",
        es: "No hay nada que imprimir. La página de su pedido muestra cómo está.",
    }
    /// Instead of the file, where too many are being made.
    fn pdf_busy() {
        en: "Very many tickets are being printed right now",
        de: "Gerade werden sehr viele Tickets gedruckt",
        fr: "Un très grand nombre de billets sont en cours d’impression",
        es: "Ahora mismo se están imprimiendo muchísimas entradas",
    }
    /// Below that.
    fn pdf_busy_so() {
        en: "Please try again in a minute. The tickets on the page of your order are valid without the PDF.",
        de: "Bitte versuchen Sie es in einer Minute noch einmal. Die Tickets auf der Seite Ihrer Bestellung gelten \
             auch ohne PDF.",
        fr: "Veuillez réessayer dans une minute. Les billets affichés sur la page de votre commande sont valables \
             sans le PDF.",
        es: "Inténtelo de nuevo dentro de un minuto. Las entradas de la página de su pedido son válidas sin el PDF.",
    }
}
