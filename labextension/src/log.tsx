/** What a run prints, while it goes on. */
import * as React from 'react';
import { Problem } from './parts';
import { Server } from './server';
import { text } from './text';
import { IProblem } from './types';

interface IPiece {
  /** Where `text` begins, in characters. */
  readonly start: number;
  readonly text: string;
  readonly offset: number;
  readonly seen: string;
  readonly open: boolean;
}

/** Characters that are kept. */
const MOST = 200_000;

export function LiveLog(props: { server: Server; path: string; run: string }): JSX.Element {
  const { server, path, run } = props;
  const { trans } = text;
  const [said, say] = React.useState('');
  const [isOpen, setOpen] = React.useState(true);
  const [problem, setProblem] = React.useState<IProblem | null>(null);
  const box = React.useRef<HTMLPreElement>(null);
  const isAtEnd = React.useRef(true);
  React.useEffect(() => {
    let isThere = true;
    const follow = async () => {
      let place = { offset: 0, seen: '' };
      for (let goesOn = true; goesOn && isThere; ) {
        // the server answers when there is more, so this is no polling
        const found = await server.get<IPiece>('log', {
          path,
          run,
          offset: String(place.offset),
          seen: place.seen
        });
        if (!isThere) {
          return;
        }
        if ('problem' in found) {
          setProblem(found.problem);
          return;
        }
        const piece = found.answer;
        const before = place.offset;
        say(old => (piece.start === before ? old + piece.text : piece.text).slice(-MOST));
        setOpen(piece.open);
        place = piece;
        goesOn = piece.open;
      }
    };
    void follow();
    return () => {
      isThere = false;
    };
  }, [path, run]);
  React.useLayoutEffect(() => {
    const { current } = box;
    if (current && isAtEnd.current) {
      current.scrollTop = current.scrollHeight;
    }
  }, [said]);
  return (
    <>
      {problem && <Problem problem={problem} />}
      <pre
        className="mlops-pre mlops-log"
        ref={box}
        data-log={run}
        data-open={isOpen}
        role="log"
        tabIndex={0}
        aria-label={trans.__('Output of run %1', run)}
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          isAtEnd.current = scrollTop + clientHeight >= scrollHeight - 8;
        }}
      >
        {said || (isOpen ? trans.__('It has printed nothing yet.') : trans.__('It printed nothing.'))}
      </pre>
    </>
  );
}
