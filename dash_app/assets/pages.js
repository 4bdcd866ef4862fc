// What the browser does beside Dash: draws pages and figures, links and filters without reload, times in the viewer's
// zone, theme, live updates and the banner of a lost connection. The server escapes every text in its HTML.
(function () {
  'use strict';
  var root = document.documentElement;

  var script = document.currentScript;

  // --- drawing: what the server says is laid over what is there ----------------------------------------------
  // An element stays the same element where the new page has one in its place: it keeps its focus, what was typed
  // into it, its scroll and selection; what is unfolded stays so. Only differences are written.
  function keyOf(node) {
    if (node.nodeType !== 1) return '';
    if (node.id) return '#' + node.id;
    if (node.dataset.figure) return 'figure';
    if (node.tagName === 'FORM') return 'form ' + (node.dataset.path || node.getAttribute('action') || '');
    if (node.tagName === 'TR') {
      var link = node.querySelector('th a[href]'), name = node.querySelector('th');
      return link ? 'row ' + link.getAttribute('href') : name ? 'row ' + name.textContent : '';
    }
    return '';
  }
  function alike(one, other) {
    return one.nodeName === other.nodeName && !keyOf(one) && (one.nodeType !== 1 || one.className === other.className);
  }
  function lay(from, to) {
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.isEqualNode(to) || from.dataset.own) return;
    if (to.dataset.figure) {  // what is drawn in it stays until there is another description
      from.dataset.figure = to.dataset.figure;
      from.style.height = to.style.height;
      return;
    }
    var isOpen = from.tagName === 'DETAILS' || from.tagName === 'DIALOG';
    Array.from(from.attributes).forEach(function (one) {
      if (!to.hasAttribute(one.name) && !(isOpen && one.name === 'open')) from.removeAttribute(one.name);
    });
    Array.from(to.attributes).forEach(function (one) {
      if (from.getAttribute(one.name) !== one.value) from.setAttribute(one.name, one.value);
    });
    layChildren(from, to);
  }
  function layChildren(from, to) {
    var known = {}, wanted = {}, at = from.firstChild, coming = Array.from(to.childNodes);
    Array.from(from.children).forEach(function (child) { var key = keyOf(child); if (key) (known[key] = known[key] || []).push(child); });
    Array.from(to.children).forEach(function (child) { wanted[keyOf(child)] = true; });
    function ahead(next) {
      for (var one = at; one; one = one.nextSibling) if (alike(one, next)) return one;
      return null;
    }
    function comes(node, after) {
      var key = keyOf(node);
      return key ? wanted[key] : coming.slice(after).some(function (next) { return !keyOf(next) && alike(node, next); });
    }
    coming.forEach(function (next, place) {
      var key = keyOf(next), match = key ? (known[key] || []).shift() : ahead(next);
      if (!match || match.tagName !== next.tagName) { from.insertBefore(document.importNode(next, true), at); return; }
      while (at && at !== match && !comes(at, place + 1)) {  // what is gone goes, so that what stays need not move
        var gone = at;
        at = at.nextSibling;
        gone.remove();
      }
      if (at === match) at = at.nextSibling; else from.insertBefore(match, at);
      lay(match, next);
    });
    while (at) {
      var rest = at;
      at = at.nextSibling;
      rest.remove();
    }
  }
  function content() { return document.getElementById('page'); }
  // The address says what stands in a filter; only what is being typed is not taken away.
  function follow(isTyping) {
    if (typing) return;
    document.querySelectorAll('form.filters input, form.filters select').forEach(function (control) {
      if (isTyping && control === document.activeElement) return;
      if (control.tagName === 'INPUT') { if (control.value !== control.defaultValue) control.value = control.defaultValue; return; }
      Array.from(control.options).forEach(function (option) { if (option.defaultSelected) control.value = option.value; });
    });
  }
  function drawn(said) {
    if (!said) { root.dataset.ready = '1'; return; }
    var page = content(), place = held(), at = pending || { moved: shownPath !== location.pathname };
    var parsed = new DOMParser().parseFromString('<main>' + said.html + '</main>', 'text/html').querySelector('main');
    local(parsed);
    pending = null;
    Object.assign(figures, said.figures);
    if (at.moved) page.replaceChildren.apply(page, Array.from(parsed.childNodes)); else layChildren(page, parsed);
    follow(!at.back);
    shownPath = location.pathname;
    document.title = said.title;
    document.getElementById('shell').classList.remove('waiting');
    if (at.moved) page.focus({ preventScroll: true }); else hold(place, page);
    if (at.back && at.y !== undefined) window.scrollTo(0, at.y);
    else if (location.hash.length > 1 && (at.moved || at.hash)) jump(!at.moved);
    else if (at.moved) window.scrollTo(0, 0);
    mark();
    plotAll();
    document.dispatchEvent(new Event('elder-drawn'));
  }
  window.elder = { drawn: drawn };

  // --- figures: drawn when they come near what is seen, one after the other -------------------------------------
  var figures = JSON.parse((document.getElementById('figures') || {}).textContent || '{}');
  var library = null, toPlot = [], isPlotting = false;
  function withPlotly(then) {
    if (!library) {
      library = new Promise(function (done) {
        var loaded = document.createElement('script');
        loaded.src = script.dataset.plotly;
        loaded.onload = function () { done(window.Plotly); };
        document.head.appendChild(loaded);
      });
    }
    return library.then(then);
  }
  var watcher = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) {
      if (!one.isIntersecting) return;
      watcher.unobserve(one.target);
      toPlot.push(one.target);
    });
    if (!toPlot.length || isPlotting) return;
    isPlotting = true;
    withPlotly(plotNext);
  }, { rootMargin: '300px' });
  function waiting() {
    return Array.from(document.querySelectorAll('.plot[data-figure]')).filter(function (place) {
      return place.dataset.drawn !== place.dataset.figure;
    });
  }
  function plotAll() { waiting().forEach(function (place) { watcher.unobserve(place); watcher.observe(place); }); }
  function plotNext() {
    var place = toPlot.shift();
    if (!place) { isPlotting = false; return; }
    if (document.contains(place) && place.dataset.drawn !== place.dataset.figure) plot(place);
    setTimeout(plotNext, 0);
  }
  function described(name) {
    if (typeof figures[name] === 'string') figures[name] = JSON.parse(figures[name]);
    return figures[name];
  }
  function plot(place) {
    var name = place.dataset.figure, figure = described(name);
    place.dataset.drawn = name;
    if (!figure) return;
    window.Plotly.react(place, figure.data, figure.layout, {
      responsive: true, displaylogo: false, modeBarButtons: [['toImage']], scrollZoom: false, plotlyServerURL: '',
      toImageButtonOptions: { format: 'png', scale: 2, filename: 'elder' }
    });
    if ((figure.layout.meta || {}).leads) leadsOn(place, figure.layout.meta.leads);
  }
  // A file's box of the map leads where its row in the table leads; a folder's box is looked into, as plotly does.
  function leadsOn(place, leads) {
    place.removeAllListeners('plotly_treemapclick');
    place.on('plotly_treemapclick', function (clicked) {
      var name = /^\/([^\0]*)\0$/.exec(clicked.points[0].id), by = clicked.event || {};
      if (!name || leads.charAt(0) !== '/' || leads.charAt(1) === '/') return true;
      var address = leads + encodeURIComponent(name[1]);
      if (by.metaKey || by.ctrlKey || by.shiftKey) window.open(address, '_blank', 'noopener');
      else if (ready()) go(address);
      else location.assign(address);
      return false;
    });
  }
  window.addEventListener('beforeprint', function () { if (window.Plotly) waiting().forEach(plot); });
  // The next page may have figures where this one has none.
  if (!(navigator.connection || {}).saveData) {
    setTimeout(function () { (window.requestIdleCallback || setTimeout)(function () { withPlotly(function () {}); }); }, 500);
  }

  // --- links and filters -----------------------------------------------------------------------------------
  var pending = null, shownPath = location.pathname;
  function go(href, replace) {
    if (!replace) history.replaceState(Object.assign({}, history.state, { y: scrollY }), '');
    history[replace ? 'replaceState' : 'pushState']({}, '', href);
    pending = { moved: shownPath !== location.pathname, hash: location.hash };
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
    document.getElementById('shell').classList.add('waiting');
    mark();
  }
  window.addEventListener('popstate', function (event) {
    pending = { moved: shownPath !== location.pathname, back: true, y: (event.state || {}).y };
  });
  // Whoever was on something that is drawn anew stays in its place.
  function held() {
    var page = content(), element = document.activeElement, steps = [];
    if (!element || element === page || !page.contains(element)) return null;
    for (var at = element; at !== page; at = at.parentElement) {
      steps.unshift(Array.prototype.indexOf.call(at.parentElement.children, at));
    }
    return { element: element, steps: steps };
  }
  function hold(place, page) {
    if (!place || place.element === document.activeElement) return;
    var at = place.element;
    if (!page.contains(at)) {
      at = page;
      place.steps.forEach(function (step) { at = at && at.children[step]; });
    }
    if (at && at.tagName === place.element.tagName) at.focus({ preventScroll: true });
  }
  function jump(smooth) {
    var target = document.getElementById(location.hash.slice(1));
    if (target) target.scrollIntoView({ behavior: smooth && !matchMedia('(prefers-reduced-motion: reduce)').matches ? 'smooth' : 'auto' });
  }
  function ready() { return !!root.dataset.ready; }
  document.addEventListener('click', function (event) {
    var link = event.target.closest && event.target.closest('a[href]');
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.dataset.plain || link.origin !== location.origin || !ready()) return;
    if (link.getAttribute('href').charAt(0) === '#') return;
    event.preventDefault();
    go(link.href);
  });
  function address(form) {
    var query = new URLSearchParams();
    var now = new URLSearchParams(location.search);
    (form.dataset.keep || '').split(' ').forEach(function (name) { if (name && now.get(name)) query.set(name, now.get(name)); });
    new FormData(form).forEach(function (value, name) { if (String(value).trim()) query.set(name, value); });
    return form.getAttribute('action') + (String(query) ? '?' + query : '');
  }
  var typing = null;
  function apply(form) { clearTimeout(typing); typing = null; if (ready()) go(address(form), true); }
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (form.classList.contains('filters') && ready()) { event.preventDefault(); apply(form); }
    if (form.classList.contains('looks') && ready()) {  // a look that is asked for by its button, at what it answers
      event.preventDefault();
      go(address(form) + '#' + form.dataset.to);
    }
  });
  document.addEventListener('change', function (event) {
    var form = event.target.closest && event.target.closest('form.filters');
    if (form && event.target.tagName === 'SELECT') apply(form);
  });
  document.addEventListener('input', function (event) {
    var form = event.target.closest && event.target.closest('form.filters');
    if (!form || event.target.tagName !== 'INPUT') return;
    clearTimeout(typing);
    typing = setTimeout(function () { apply(form); }, 90);
  });

  // --- which menu entry is this ------------------------------------------------------------------------------
  function mark() {
    var path = location.pathname;
    document.querySelectorAll('header.top nav a').forEach(function (link) {
      var own = new URL(link.href).pathname;
      var here = own === '/' ? path === '/' || path.indexOf('/repositories/') === 0 || path.indexOf('/findings/') === 0 :
        path === own || path.indexOf(own + '/') === 0;
      if (here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
    });
    document.querySelectorAll('header.top nav, .tabs').forEach(function (row) {
      var link = row.scrollWidth > row.clientWidth && row.querySelector('[aria-current]');
      if (link) row.scrollLeft += link.getBoundingClientRect().left - row.getBoundingClientRect().left - (row.clientWidth - link.offsetWidth) / 2;
    });
  }

  document.addEventListener('click', function (event) {
    var link = event.target.closest && event.target.closest('#language');
    if (!link) return;
    var leads = new URL(link.href);
    leads.searchParams.set('to', location.pathname + location.search);
    link.href = leads.href;
  }, true);

  // --- times ---------------------------------------------------------------------------------------------------
  var full = new Intl.DateTimeFormat(root.lang || undefined, { dateStyle: 'medium', timeStyle: 'short' });
  var day = new Intl.DateTimeFormat(root.lang || undefined, { dateStyle: 'medium' });
  function local(scope) {
    scope.querySelectorAll('time[datetime]').forEach(function (element) {
      var at = new Date(element.getAttribute('datetime'));
      if (isNaN(at)) return;
      var text = (element.dataset.day ? day : full).format(at);
      if (element.firstChild && element.firstChild.nodeType === 3) {
        if (element.firstChild.nodeValue !== text) element.firstChild.nodeValue = text;
      }
      element.title = at.toISOString();
    });
  }

  // --- theme ---------------------------------------------------------------------------------------------------
  document.addEventListener('click', function (event) {
    if (!event.target.closest || !event.target.closest('#theme')) return;
    var dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    try { localStorage.setItem('elder-theme', root.dataset.theme); } catch (error) { /* private window */ }
  });

  // --- actions: everything that changes something goes through the API ---------------------------------------------
  function say(text, bad) {
    var place = document.getElementById('said');
    place.textContent = text;
    place.className = 'said shown' + (bad ? ' bad' : '');
    clearTimeout(say.timer);
    say.timer = setTimeout(function () { place.className = 'said'; }, bad ? 12000 : 6000);
  }
  function cookie(name) {
    var found = document.cookie.split('; ').filter(function (part) { return part.indexOf(name + '=') === 0; })[0];
    return found ? decodeURIComponent(found.slice(name.length + 1)) : '';
  }
  function send(method, path, body, from, by, form) {
    if (by && by.disabled) return;
    if (by) { by.disabled = true; by.setAttribute('aria-busy', 'true'); }
    var headers = { 'Content-Type': 'application/json', 'X-CSRFToken': cookie('_csrf_token') };
    fetch(path, { method: method, headers: headers, body: body ? JSON.stringify(body) : undefined, credentials: 'same-origin' })
      .then(function (answer) {
        return answer.text().then(function (text) {
          var said = {};
          try { said = JSON.parse(text); } catch (error) { said = {}; }
          if (from.shows && said[from.shows]) { show(said[from.shows], said.detail, from); return; }
          if (!answer.ok) {
            say(said.detail || said.title || answer.status + '', true);
            if (form) beside(form, said.errors || []);
            if (answer.status === 409) refresh();  // what was there already is shown; what was typed stays
            return;
          }
          if (form) form.reset();
          say(from.done || said[from.says] || 'OK');
          if (from.next) { seen = null; go(from.next); } else if (!from.secretNext) refresh();
          if (from.secret) reveal(said[from.secret], from);
        });
      })
      .catch(function () { say(root.lang === 'ja' ? '接続できません' : 'No connection', true); })
      .then(function () { if (by) { by.disabled = false; by.removeAttribute('aria-busy'); } });
  }
  // What is wrong stands at its field, by the browser's own means, until something else is typed there.
  function beside(form, errors) {
    errors.forEach(function (error) {
      var name = error.field.replace(/^body\./, '');
      var field = form.elements[name] || Array.from(form.elements).filter(function (one) { return one.name.split(',').indexOf(name) >= 0; })[0];
      if (!field || !field.setCustomValidity) return;
      field.setCustomValidity(error.message);
      field.addEventListener('input', function () { field.setCustomValidity(''); }, { once: true });
    });
    form.reportValidity();
  }
  // What a form says: `a.b` is a part of an object, checkboxes are lists, what is empty or out of sight is left out.
  function valuesOf(form) {
    var body = JSON.parse(form.dataset.body || '{}');
    Array.from(form.elements).forEach(function (control) {
      var value = control.value, name = control.name, type = control.type;
      if (!name || control.matches(':disabled, button, fieldset') || (control.closest('.of-kind') && !control.offsetParent)) return;
      if (type === 'radio' && !control.checked) return;
      if (type === 'checkbox') { body[name] = (body[name] || []).concat(control.checked ? [value] : []); return; }
      if (control.dataset.zone && !value) value = Intl.DateTimeFormat().resolvedOptions().timeZone;
      if (type === 'number' && value) value = Number(value) * Number(control.dataset.scale || 1);
      if (type === 'datetime-local' && value) value = new Date(value).toISOString();
      if (form.dataset.sparse && !String(value).trim()) return;
      if (name.indexOf(',') > 0) {  // one choice may say two things
        var said = value.split(',');
        name.split(',').forEach(function (one, place) { body[one] = said[place] || ''; });
        return;
      }
      if (value === '' && (control.dataset.optional || type === 'number' || type === 'datetime-local')) return;
      var steps = name.split('.'), at = steps.length > 1 ? body[steps[0]] = body[steps[0]] || {} : body;
      at[steps[steps.length - 1]] = value;
    });
    if (form.dataset.unless) { // a part that has only what is always there was not filled in
      form.dataset.unless.split(' ').forEach(function (name) {
        var part = name.split('.');
        if (body[part[0]] && body[part[0]][part[1]] === undefined) delete body[part[0]];
      });
    }
    return body;
  }
  function pathOf(form, body) {
    return form.dataset.path.replace(/\{(\w+)\}/g, function (_, name) {
      var value = body[name];
      delete body[name];
      return encodeURIComponent(value);
    });
  }
  // What was sent and what the other side answered, for as long as somebody reads it.
  function show(sent, answer, words) {
    var dialog = document.createElement('dialog'), told = document.createElement('p');
    var text = document.createElement('pre'), close = document.createElement('button');
    dialog.className = 'secret';
    told.textContent = answer;
    told.id = 'told';
    dialog.setAttribute('aria-labelledby', 'told');
    text.textContent = sent;
    text.tabIndex = 0;
    close.type = 'button';
    close.textContent = words.close || 'OK';
    close.addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('close', function () { dialog.remove(); });
    dialog.append(told, text, close);
    document.body.append(dialog);
    dialog.showModal();
    close.focus();
  }
  // A secret is shown once, in a dialog of its own: outside of what Dash draws, gone when it is closed.
  function reveal(secret, words) {
    var dialog = document.createElement('dialog');
    var told = document.createElement('p');
    var box = document.createElement('input');
    var close = document.createElement('button');
    dialog.className = 'secret';
    told.textContent = words.secretTold;
    told.id = 'secret-told';
    box.readOnly = true;
    box.value = String(secret);
    box.setAttribute('aria-labelledby', 'secret-told');
    dialog.setAttribute('aria-labelledby', 'secret-told');
    close.type = 'button';
    close.textContent = words.secretClose;
    close.addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('close', function () {
      dialog.remove();
      if (words.secretNext) location.assign(words.secretNext); // nobody is let in without a token any more
    });
    dialog.append(told, box, close);
    document.body.append(dialog);
    dialog.showModal();
    box.focus();
    box.select();
  }
  document.addEventListener('click', function (event) {
    var button = event.target.closest && event.target.closest('button[data-path]');
    if (!button || button.type === 'submit') return;
    if (button.dataset.ask && !window.confirm(button.dataset.ask)) return;
    send(button.dataset.method || 'POST', button.dataset.path, JSON.parse(button.dataset.body || 'null'), button.dataset, button);
  });
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (!form.dataset.path) return;
    event.preventDefault();
    var by = event.submitter || form.querySelector('button[type=submit]'), body = valuesOf(form), path = pathOf(form, body);
    if (by && by.dataset.path) { // another thing to do with the same values, or with some of them
      path = by.dataset.path;
      var some = JSON.parse(by.dataset.body || '{}');
      (by.dataset.fields || '').split(' ').forEach(function (name) { if (name in body) some[name] = body[name]; });
      body = some;
    }
    send(form.dataset.method || 'POST', path, body, form.dataset, by, form);
  });

  // --- choosing rows: shift takes those between, one box takes all ---------------------------------------------------
  var lastChosen = null;
  function boxes(name) { return Array.from(document.querySelectorAll('input[type=checkbox][name="' + name + '"]')); }
  function countChosen() {
    var place = document.getElementById('chosen'), all = document.querySelector('input[data-all]');
    if (!place || !all) return;
    var known = boxes(all.dataset.all), chosen = known.filter(function (one) { return one.checked; }).length;
    place.textContent = String(chosen);
    all.checked = chosen > 0 && chosen === known.length;
    all.indeterminate = chosen > 0 && chosen < known.length;
  }
  document.addEventListener('click', function (event) {
    var box = event.target;
    if (box.type !== 'checkbox') return;
    if (box.dataset.all) boxes(box.dataset.all).forEach(function (one) { one.checked = box.checked; });
    else if (box.name === 'finding_ids') {
      var known = boxes(box.name), from = known.indexOf(lastChosen), to = known.indexOf(box);
      if (event.shiftKey && from >= 0) known.slice(Math.min(from, to), Math.max(from, to) + 1).forEach(function (one) { one.checked = box.checked; });
      lastChosen = box;
    } else return;
    countChosen();
  });
  document.addEventListener('reset', function () { setTimeout(countChosen, 0); });
  document.addEventListener('elder-drawn', countChosen);

  // --- print: numbers that are folded away are printed beside their figures -------------------------------------------
  var unfolded = [];
  window.addEventListener('beforeprint', function () {
    unfolded = Array.from(document.querySelectorAll('details.numbers:not([open])'));
    unfolded.forEach(function (one) { one.open = true; });
  });
  window.addEventListener('afterprint', function () { unfolded.forEach(function (one) { one.open = false; }); });

  // --- a page to take along: the print dialog, or one file with the figures as pictures -------------------------------
  document.addEventListener('click', function (event) {
    if (!event.target.closest || !event.target.closest('button[data-print]')) return;
    withPlotly(function () { waiting().forEach(plot); window.print(); });
  });
  function picture(place) {
    var name = place.dataset.picture, figure = described(name), title = place.textContent;
    if (!figure) return null;
    var there = document.querySelector('.plot[data-figure="' + name + '"]');
    var size = { format: 'svg', width: (there && there.clientWidth) || 900, height: figure.layout.height };
    return window.Plotly.toImage({ data: figure.data, layout: figure.layout }, size).then(function (source) {
      var shown = new Image();
      shown.src = source;
      shown.alt = title;
      shown.className = 'drawn';
      var numbers = place.closest('figure').querySelector('details.numbers');
      if (numbers) numbers.open = false;  // a click unfolds them; no script is needed for that
      place.replaceWith(shown);
    }, function () {});  // its title and its table stay
  }
  function pictured(text) {
    var file = new DOMParser().parseFromString(text, 'text/html');
    return withPlotly(function () {
      return Promise.all(Array.from(file.querySelectorAll('[data-picture]')).map(picture));
    }).then(function () { return '<!DOCTYPE html>\n' + file.documentElement.outerHTML; });
  }
  function save(text, name) {
    var link = document.createElement('a'), source = URL.createObjectURL(new Blob([text], { type: 'text/html' }));
    link.href = source;
    link.download = name;
    link.dataset.plain = '1';
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(source); }, 60000);
  }
  document.addEventListener('click', function (event) {
    var link = event.target.closest && event.target.closest('a[data-file]');
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    fetch(link.href, { credentials: 'same-origin' }).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      var name = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') || '');
      return answer.text().then(pictured).then(function (text) { save(text, name ? name[1] : 'elder.html'); });
    }).catch(function () { say(root.lang === 'ja' ? '接続できません' : 'No connection', true); });
  });

  // --- live ----------------------------------------------------------------------------------------------------------
  var seen = null, lost = null;
  function refresh() {
    seen = null;
    redraw('at ' + Date.now());
  }
  function redraw(mark) { dash_clientside.set_props('live', { data: mark }); }
  function stale(since) {
    document.querySelectorAll('#stale').forEach(function (banner) {
      banner.hidden = !since;
      if (since) {
        var time = banner.querySelector('time');
        time.setAttribute('datetime', since.toISOString());
        time.textContent = full.format(since);
      }
    });
  }
  var fresh = new Date();
  function look() {
    if (document.hidden) return;
    fetch('/pages/changes', { credentials: 'same-origin', cache: 'no-store' })
      .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
      .then(function (said) {
        fresh = new Date();
        if (lost) { lost = null; stale(null); seen = seen === null ? null : ''; }
        if (seen !== null && seen !== said.mark && ready()) redraw(said.mark);
        seen = said.mark;
      })
      .catch(function () { lost = lost || fresh; stale(lost); });
  }
  setInterval(look, 3000);
  document.addEventListener('visibilitychange', look);
  window.addEventListener('online', look);
  window.addEventListener('offline', look);

  local(document);
  mark();
  plotAll();
  if (location.hash.length > 1) jump(false);
  look();
})();
