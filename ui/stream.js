// All answers come by one stream, which Gradio's client opens with a request and closes when the server says that
// it owes nothing more. A request may be on its way at that moment: the server took it after it said so, and the
// client, which has not heard it yet, opens no stream for the answer. That answer, and all that waits for it, would
// come with the person's next action only. Here each request's answer is listened for, and where nothing of it is
// heard, a request without an effect opens the stream.
(() => {
  const PATIENCE_MS = 700;
  const owed = new Set();
  const real = window.fetch;

  async function asked(response) {
    const { event_id: id } = await response.json();
    if (!id) return;
    owed.add(id);
    setTimeout(() => {
      if (!owed.has(id)) return;
      owed.clear();
      document.querySelector("#da-wake")?.click();
    }, PATIENCE_MS);
  }

  function listening(response) {
    const decoder = new TextDecoder();
    const listener = new TransformStream({
      transform(chunk, out) {
        const text = owed.size ? decoder.decode(chunk, { stream: true }) : "";
        for (const id of owed) if (text.includes(id)) owed.delete(id);
        out.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(listener), response);
  }

  window.fetch = async (...request) => {
    const response = await real(...request);
    const { pathname } = new URL(request[0]?.url ?? request[0], window.location);
    if (!response.ok) return response;
    if (pathname.endsWith("/queue/join")) asked(response.clone()).catch(() => {});
    return pathname.endsWith("/queue/data") ? listening(response) : response;
  };
})();
