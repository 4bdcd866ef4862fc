"""One module a page. Each has PAGE (or PAGES): address, title, layout. The navigation is made of them."""
