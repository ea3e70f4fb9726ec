/** Where a drawing lies in its window, and what moves it. */

/** A point p of the drawing is seen at `scale` * p + (x, y), in px. */
export interface IView {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export interface IPoint {
  readonly x: number;
  readonly y: number;
}

export interface ISize {
  readonly width: number;
  readonly height: number;
}

export const MOST_SCALE = 4;
/** How far a drawing may be scaled down before all of it is asked for. */
const READABLE = 0.6;
/** px: of the drawing, and around what was looked for, that stay in the window. */
const KEPT = 40;

/** All of a drawing, in the middle, never larger than it was drawn. */
export function fitted(drawing: ISize, room: ISize): IView {
  const scale = Math.min(1, room.width / drawing.width, room.height / drawing.height);
  return {
    scale,
    x: (room.width - scale * drawing.width) / 2,
    y: (room.height - scale * drawing.height) / 2
  };
}

/** The beginning of a drawing, as wide as the window if it can be read then. */
export function first(drawing: ISize, room: ISize): IView {
  const whole = fitted(drawing, room);
  const scale = Math.min(1, Math.max(READABLE, room.width / drawing.width));
  return whole.scale >= scale
    ? whole
    : { scale, x: Math.max(0, (room.width - scale * drawing.width) / 2), y: 0 };
}

/** Scale a view; the point of the drawing at `at` stays there. */
export function zoomed(
  view: IView,
  factor: number,
  at: IPoint,
  drawing: ISize,
  room: ISize
): IView {
  const least = fitted(drawing, room).scale;
  const scale = Math.min(MOST_SCALE, Math.max(least, view.scale * factor));
  const by = scale / view.scale;
  const moved = { scale, x: at.x - by * (at.x - view.x), y: at.y - by * (at.y - view.y) };
  return kept(moved, drawing, room);
}

/** Move a view by some px. */
export function moved(view: IView, by: IPoint, drawing: ISize, room: ISize): IView {
  return kept({ ...view, x: view.x + by.x, y: view.y + by.y }, drawing, room);
}

/** Move a view no more than is needed to see a box of the drawing. */
export function showing(view: IView, box: IPoint & ISize, room: ISize): IView {
  const shift = (start: number, length: number, whole: number) => {
    const margin = Math.min(KEPT, Math.max(0, (whole - length) / 2));
    if (start < margin) {
      return margin - start;
    }
    const over = start + length - (whole - margin);
    return over > 0 ? Math.max(-over, margin - start) : 0;
  };
  const { scale } = view;
  return {
    scale,
    x: view.x + shift(scale * box.x + view.x, scale * box.width, room.width),
    y: view.y + shift(scale * box.y + view.y, scale * box.height, room.height)
  };
}

/** Keep a part of the drawing in the window. */
function kept(view: IView, drawing: ISize, room: ISize): IView {
  const within = (at: number, length: number, whole: number) => {
    const part = Math.min(KEPT, length, whole);
    return Math.min(Math.max(at, part - length), whole - part);
  };
  const { scale } = view;
  return {
    scale,
    x: within(view.x, scale * drawing.width, room.width),
    y: within(view.y, scale * drawing.height, room.height)
  };
}
