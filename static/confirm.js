// Press the one button: this page got the cookie of the browser that signed up, which a scanner does not have.
"use strict";
document.querySelector("main form").requestSubmit();
