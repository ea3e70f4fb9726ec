/** Lets an icon's SVG be imported as text. */
declare module '*.svg' {
  const text: string;
  export default text;
}
