// Calls back once the frame is painted that has what is on the page now; delays nothing of the page's own work.
// A callback of requestAnimationFrame runs before its frame is painted, the next task after it.
export function afterPaint(then) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = then;
    port2.postMessage(null);
  });
}
